import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { test as base } from '@playwright/test'

/** A `patchlab serve` of this test run, on a free port and with data of its own. */
export interface Farm {
  url: string
  stop: () => Promise<void>
}

const BINARY = resolve(import.meta.dirname, process.env.PATCHLAB_BIN ?? '../../bin/patchlab')

export async function startFarm(env: Record<string, string> = {}): Promise<Farm> {
  if (!existsSync(BINARY)) throw new Error(`${BINARY} is missing: run make build, or set PATCHLAB_BIN`)
  const data = mkdtempSync(join(tmpdir(), 'patchlab-e2e-'))
  const child = spawn(BINARY, ['serve'], {
    env: { PATH: process.env.PATH, ADDR: '127.0.0.1:0', DATA_DIR: data, RATE_LIMITS: 'off', DRAIN_GRACE: '0s', ...env },
    cwd: data,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = new Promise<void>((done) => child.once('exit', () => done()))
  const stop = async () => {
    child.kill('SIGTERM')
    await ended
    rmSync(data, { recursive: true, force: true })
  }
  try {
    return { url: `http://${await listening(child)}`, stop }
  } catch (cause) {
    await stop()
    throw cause
  }
}

/** Waits for the log line that names the address. */
function listening(child: ChildProcess): Promise<string> {
  return new Promise((found, failed) => {
    const lines: string[] = []
    const timer = setTimeout(() => failed(new Error(`patchlab does not listen:\n${lines.join('\n')}`)), 20_000)
    child.once('exit', (code) => {
      clearTimeout(timer)
      failed(new Error(`patchlab ended with ${code}:\n${lines.join('\n')}`))
    })
    if (!child.stderr) throw new Error('patchlab has no stderr')
    createInterface({ input: child.stderr }).on('line', (line) => {
      lines.push(line)
      const address = /"msg":"listening".*?"addr":"([^"]+)"/.exec(line)?.[1]
      if (address === undefined) return
      clearTimeout(timer)
      found(address)
    })
  })
}

interface Farms {
  /** Renders as fast as it can. */
  farm: Farm
  /** Renders in real time, so that a render can be watched and interrupted. */
  slowFarm: Farm
  /** Renders so slowly that a pack of a dozen short sounds takes some ten seconds. */
  pacedFarm: Farm
}

export const test = base.extend<object, Farms>({
  farm: [
    // Playwright reads the names of the fixtures out of the first parameter.
    // oxlint-disable-next-line no-empty-pattern
    async ({}, use) => {
      const farm = await startFarm()
      await use(farm)
      await farm.stop()
    },
    { scope: 'worker' },
  ],
  slowFarm: [
    // oxlint-disable-next-line no-empty-pattern
    async ({}, use) => {
      const farm = await startFarm({ RENDER_MAX_SPEED: '1' })
      await use(farm)
      await farm.stop()
    },
    { scope: 'worker' },
  ],
  pacedFarm: [
    // oxlint-disable-next-line no-empty-pattern
    async ({}, use) => {
      const farm = await startFarm({ RENDER_MAX_SPEED: '0.4' })
      await use(farm)
      await farm.stop()
    },
    { scope: 'worker' },
  ],
})

export { expect } from '@playwright/test'
