/** A copy of the bundled model with a change that is known: one neuron of one layer also writes a given direction. */
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageRoot } from '../src/files/index.ts'
import { fromFloat32, openBytes, parseSafetensors, toFloat32 } from '../src/formats/index.ts'

const THIMBLE = join(packageRoot(), 'models', 'thimble-5m')
const FILES = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'model.safetensors']

/** Copies the bundled model into a folder; `plant` is what is added to its weights. */
export async function thimbleCopy(
  folder: string,
  plant?: {
    readonly layer: number
    /** The neuron of the MLP that fires. */
    readonly neuron: number
    /** [d_model] what it then adds to the residual stream, up to the MLP's norm. */
    readonly direction: Float32Array
    readonly strength: number
  },
): Promise<string> {
  for (const name of FILES) await cp(join(THIMBLE, name), join(folder, name))
  if (plant === undefined) return folder
  const path = join(folder, 'model.safetensors')
  const bytes = await readFile(path)
  const { tensors } = await parseSafetensors(openBytes(path, bytes))
  const read = (name: string) => {
    const { dtype, shape, offset, length } = tensors.get(`model.layers.${plant.layer}.${name}`)!
    const numbers = toFloat32({ dtype, shape, bytes: bytes.subarray(offset, offset + length) })
    return { numbers, dtype, shape, offset }
  }
  // What the MLP writes passes a norm with a gain of 1 + weight: divided by it here, the direction comes out as it is.
  const gain = read('post_feedforward_layernorm.weight').numbers
  const down = read('mlp.down_proj.weight')
  const d_mlp = down.shape[1]!
  for (const [i, value] of plant.direction.entries())
    down.numbers[i * d_mlp + plant.neuron]! += (plant.strength * value) / (1 + gain[i]!)
  if (down.dtype !== 'BF16') throw new Error(`thimbleCopy: ${down.dtype}, expected BF16`)
  bytes.set(fromFloat32(down.numbers, down.shape, 'BF16').bytes, down.offset)
  await writeFile(path, bytes)
  return folder
}
