import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

/** The first flag of Node at each start of the command line. */
async function startsOf(...args: string[]) {
  const tell = 'data:text/javascript,process.stderr.write(process.execArgv.at(0) + " ")'
  const main = join(import.meta.dirname, 'main.ts')
  return promisify(execFile)(process.execPath, ['--import', tell, main, 'generate', ...args])
}

describe.runIf(process.platform === 'linux')('the command line', () => {
  it.each([['--weights', 'q4'], ['--weights=q4']])(
    'starts anew once, with its arguments, for %s',
    async (...args) => {
      const { stdout, stderr } = await startsOf(...args, '--help')
      expect(stderr).toBe('--import --max-semi-space-size=1 ')
      expect(stdout).toContain('hooke generate')
    },
  )

  it('goes on as it is for weights of more bits', async () => {
    expect((await startsOf('--weights', 'q8', '--help')).stderr).toBe('--import ')
  })
})
