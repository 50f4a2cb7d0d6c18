/** For tests: host1 as far as the API asks it, with a guest of any id that has both consoles. */
import type { TestContext } from 'node:test'
import { compute, computeTopic } from '../../rpc/compute.ts'
import type { Cloud } from './cloud.ts'

const ANSWERS = {
  consoleOutput: 'text',
  consoles: ['vnc', 'serial'],
  injectNmi: true,
  setPassword: 'set',
  diagnostics: {
    powerState: 'running',
    hypervisor: 'qemu',
    memoryMaximumKib: 524_288,
    memoryUsedKib: 524_288,
    memoryDetails: {},
    cpus: [{ id: 0, timeNs: 1e9 }],
    disks: [],
    nics: [],
  },
  openConsole: { host: '192.0.2.7', port: 4711, path: '/once', fingerprint: null },
} as const satisfies Partial<Record<keyof typeof compute, unknown>>
const isAnswered = (method: string): method is keyof typeof ANSWERS => Object.hasOwn(ANSWERS, method)

export function hostAnswers(t: TestContext, it: Cloud): void {
  t.after(
    it.bus.serve(computeTopic('host1'), async (method, input) => {
      if (!isAnswered(method)) throw new Error(`the API does not ask for ${method}`)
      compute[method].input.parse(input)
      return ANSWERS[method]
    }),
  )
}
