import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FormatError } from '../formats/index.ts'
import {
  bundledModels,
  explainFileError,
  FileError,
  listFolder,
  localModel,
  openFile,
  openFolder,
  pathExists,
  readBytes,
  readJson,
  readText,
  removePath,
  writeFileAtomic,
  writeJson,
} from './index.ts'

let root: string
const at = (...parts: string[]) => join(root, ...parts)
const refusal = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  )

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'hooke-files-'))
})
afterAll(() => rmSync(root, { recursive: true }))

describe('reading', () => {
  it('gives exactly the bytes asked for, and refuses to run past the end', async () => {
    writeFileSync(at('ten'), Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9))
    const file = await openFile(at('ten'))
    expect(file.size_bytes).toBe(10)
    expect(await file.read(3, 4)).toEqual(Uint8Array.of(3, 4, 5, 6))
    expect(await file.read(10, 0)).toHaveLength(0)
    await expect(file.read(7, 4)).rejects.toThrow(
      /a read of 4 bytes runs past the end of its 10 bytes.*\(at byte 7\)/,
    )
    await file.close()
  })

  it('says that a file became shorter', async () => {
    writeFileSync(at('shrinks'), 'long enough')
    const file = await openFile(at('shrinks'))
    writeFileSync(at('shrinks'), 'lo')
    await expect(file.read(0, 11)).rejects.toThrow('became shorter while it was read')
    await file.close()
  })

  it('names what is missing or of the wrong kind', async () => {
    const missing = await refusal(openFile(at('no', 'such')))
    expect(missing).toBeInstanceOf(FileError)
    expect(missing).toMatchObject({ code: 'ENOENT', path: at('no', 'such') })
    expect((missing as FileError).message).toContain('there is no such file or folder')
    expect(await refusal(openFile(root))).toMatchObject({ code: 'EISDIR' })
    expect(await refusal(readBytes(at('ten', 'inner')))).toMatchObject({ code: 'ENOTDIR' })
  })

  it('refuses text that is not UTF-8 and JSON that is not JSON', async () => {
    writeFileSync(at('binary'), Uint8Array.of(0xff, 0xfe, 0))
    expect(await refusal(readText(at('binary')))).toBeInstanceOf(FormatError)
    writeFileSync(at('broken.json'), '{"a": ')
    await expect(readJson(at('broken.json'))).rejects.toThrow(/broken.json: is not JSON/)
  })

  it('of a folder finds files inside it and nothing outside', async () => {
    mkdirSync(at('model'))
    writeFileSync(at('model', 'config.json'), '{}')
    const folder = openFolder(at('model'))
    expect(folder.name).toBe('model')
    expect(await folder.open('tokenizer.json')).toBeUndefined()
    const source = await folder.open('config.json')
    expect(source!.size_bytes).toBe(2)
    expect(await source!.read(0, 2)).toEqual(Uint8Array.of(123, 125))
    await expect(folder.open('../ten')).rejects.toThrow('lies outside of the folder')
    await expect(folder.open('/etc/passwd')).rejects.toThrow('lies outside of the folder')
    await expect(folder.open('a\0')).rejects.toThrow('"a\\u0000", which no system can hold')
  })

  it('lists files and folders apart; a missing folder holds nothing', async () => {
    mkdirSync(at('list', 'b'), { recursive: true })
    writeFileSync(at('list', 'c'), '')
    writeFileSync(at('list', 'a'), '')
    expect(await listFolder(at('list'))).toEqual({ files: ['a', 'c'], folders: ['b'] })
    expect(await listFolder(at('nowhere'))).toEqual({ files: [], folders: [] })
    expect(await pathExists(at('list', 'c', 'd'))).toBe(false)
  })
})

describe('writing', () => {
  it('makes folders, replaces what was there and leaves no temporary file', async () => {
    const path = at('new', 'deep', 'file')
    await writeFileAtomic(path, 'first')
    await writeFileAtomic(
      path,
      (async function* () {
        yield Uint8Array.of(104)
        yield Uint8Array.of(105)
      })(),
    )
    expect(await readText(path)).toBe('hi')
    await writeJson(path, { a: [1] })
    expect(await readJson(path)).toEqual({ a: [1] })
    expect(readdirSync(at('new', 'deep'))).toEqual(['file'])
    await removePath(at('new'))
    expect(await pathExists(path)).toBe(false)
  })

  it('that breaks off in the middle leaves the old file as it was', async () => {
    await writeFileAtomic(at('kept'), 'old')
    const breaking = async function* () {
      yield Uint8Array.of(1)
      throw new RangeError('stopped')
    }
    await expect(writeFileAtomic(at('kept'), breaking())).rejects.toThrow(RangeError)
    expect(readFileSync(at('kept'), 'utf8')).toBe('old')
    expect(readdirSync(root).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  it('over a folder or below a file is refused', async () => {
    expect(await refusal(writeFileAtomic(at('model'), ''))).toBeInstanceOf(FileError)
    expect(await refusal(writeFileAtomic(at('ten', 'x'), ''))).toBeInstanceOf(FileError)
  })

  it('into a folder without permission says so', async ({ skip }) => {
    skip(process.getuid?.() === 0, 'the superuser may write everywhere')
    mkdirSync(at('locked'))
    chmodSync(at('locked'), 0o500)
    const error = await refusal(writeFileAtomic(at('locked', 'x'), ''))
    expect(error).toMatchObject({ code: 'EACCES' })
    expect((error as FileError).message).toContain('no permission to write it')
  })

  it('on a full disk names the path and the bytes needed', async ({ skip }) => {
    const full = await open('/dev/full', 'w').catch(() => undefined)
    skip(full === undefined, 'this system has no /dev/full')
    const refused = await refusal(full!.write(new Uint8Array(4096)))
    await full!.close()
    const error = await explainFileError(refused, 'write', at('big.safetensors'), '4096 bytes')
    expect(error).toBeInstanceOf(FileError)
    expect(error).toMatchObject({ code: 'ENOSPC', path: at('big.safetensors') })
    expect((error as FileError).message).toMatch(
      /big\.safetensors: disk full \(it needs 4096 bytes, the disk has \d+ free\)\. Nothing that was there before is lost/,
    )
  })
})

describe('localModel', () => {
  it('finds bundled models by name and others by path', () => {
    expect(bundledModels()).toContain('thimble-5m')
    const bundled = resolve(import.meta.dirname, '../../models/thimble-5m')
    expect(localModel('thimble-5m')).toBe(bundled)
    expect(localModel(bundled)).toBe(bundled)
    expect(localModel('gemma-9')).toBeUndefined()
  })

  it('says that a file is no model', () => {
    expect(() => localModel(at('ten'))).toThrow(/ten is a file, expected a model's folder with/)
  })
})
