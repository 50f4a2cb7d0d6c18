/** Progress for people: on a terminal a spinner with the step's name and its seconds, otherwise a plain line per step. */
import type { WriteStream } from 'node:tty'

export interface Progress {
  /** Runs the work under this name. */
  step<T>(name: string, work: () => Promise<T>): Promise<T>
  /** A line that stays. */
  say(text: string): void
}

const FRAMES = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'
const BEAT_MS = 100

export function progress(out: NodeJS.WriteStream | WriteStream): Progress {
  const fancy = out.isTTY === true
  return {
    step: async (name, work) => {
      const began = performance.now()
      const seconds = () => ((performance.now() - began) / 1000).toFixed(1)
      let beat = 0
      const draw = () => out.write(`\r\x1b[2K${FRAMES[beat++ % FRAMES.length]} ${name} ${seconds()} s`)
      const timer = fancy ? setInterval(draw, BEAT_MS) : undefined
      try {
        const result = await work()
        out.write(`${fancy ? '\r\x1b[2K' : ''}✓ ${name} (${seconds()} s)\n`)
        return result
      } catch (error) {
        out.write(`${fancy ? '\r\x1b[2K' : ''}✗ ${name}\n`)
        throw error
      } finally {
        clearInterval(timer)
      }
    },
    say: (text) => void out.write(`${text}\n`),
  }
}
