/** The progress of a start: a line for each completed phase, and one that says what is still running. */
import type { Terminal } from './terminal.ts'

export interface Phases {
  run: <T>(name: string, work: (detail: (text: string) => void) => Promise<T>) => Promise<T>
  say: (text: string) => void
  end: () => void
}

const width = 14
const second = (ms: number) => `${(ms / 1000).toFixed(1)} s`

export function consolePhases(out: Terminal): Phases {
  const running = new Map<string, { since: number; detail: string }>()
  const clear = () => {
    if (out.isTTY) out.write('\r\x1b[K')
  }
  const draw = () => {
    if (!out.isTTY || running.size === 0) return
    const parts = [...running].map(([name, { since, detail }]) => `${detail || name} ${second(Date.now() - since)}`)
    out.write(`\r\x1b[K  … ${parts.join(', ')}`.slice(0, Math.max(20, out.columns())))
  }
  const say = (text: string) => {
    clear()
    out.write(`${text}\n`)
    draw()
  }
  const ticker = setInterval(draw, 200)
  ticker.unref()
  return {
    say,
    end: () => {
      clearInterval(ticker)
      clear()
    },
    run: async (name, work) => {
      const since = Date.now()
      running.set(name, { since, detail: '' })
      draw()
      try {
        const result = await work((detail) => {
          running.set(name, { since, detail })
          if (!out.isTTY) say(`  ${name.padEnd(width)} ${detail} …`)
        })
        running.delete(name)
        say(`  ${name.padEnd(width)} ${second(Date.now() - since)}`)
        return result
      } finally {
        running.delete(name)
      }
    },
  }
}

export const quietPhases: Phases = {
  run: (_name, work) => work(() => undefined),
  say: () => undefined,
  end: () => undefined,
}
