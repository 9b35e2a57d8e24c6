import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { chromium } from 'playwright-core'

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']

/** A Chromium on this machine: CHROMIUM_PATH, else from the PATH, else playwright's own; null without one. */
export function findChromium(env: NodeJS.ProcessEnv): string | null {
  const given = env.CHROMIUM_PATH
  if (given) return given
  const places = (env.PATH ?? '').split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)))
  const found = places.find(isExecutable)
  if (found) return found
  const own = chromium.executablePath()
  return existsSync(own) ? own : null
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    // Whatever the reason, it can't be run from here.
    return false
  }
}
