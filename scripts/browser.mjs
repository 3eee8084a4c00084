/** Chromium for the page tests: found, or installed where it is missing and obtainable. */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']
const PLACES = ['/Applications/Google Chrome.app/Contents/MacOS/Google Chrome']

function executable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

async function find() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM
  const onPath = (process.env.PATH ?? '')
    .split(delimiter)
    .flatMap((folder) => NAMES.map((name) => join(folder, name)))
  const installed = [...onPath, ...PLACES].find((path) => existsSync(path) && executable(path))
  if (installed) return installed
  const { chromium } = await import('playwright-core')
  return existsSync(chromium.executablePath()) ? chromium.executablePath() : undefined
}

/** Debian's package as root; else Playwright's own download. */
function install() {
  const attempts = [
    ...(process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')
      ? [
          [
            'sh',
            ['-c', 'apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium'],
          ],
        ]
      : []),
    ['npx', ['playwright-core', 'install', 'chromium']],
  ]
  for (const [command, args] of attempts) {
    console.error(`hooke: Chromium is missing; trying: ${command} ${args.join(' ')}`)
    if (spawnSync(command, args, { stdio: ['ignore', 2, 2] }).status === 0) return
  }
  console.error('hooke: no Chromium could be installed; the page tests will be skipped')
}

/**
 * The path of a Chromium that runs.
 * @returns {Promise<string | undefined>} undefined where there is none to be had: the page tests then skip and say so.
 */
export async function obtainBrowser() {
  const found = await find()
  if (found) return found
  install()
  return find()
}
