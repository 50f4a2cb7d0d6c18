// A shell on a guest's serial line, as somebody has it who logs in to the demo image there.
import { textOf } from '../src/virt/console-reader.ts'
import { loginPrompt } from '../src/virt/contract/bed.ts'
import type { Driver } from '../src/virt/driver.ts'

export interface Shell {
  /** What the command prints. */
  type(command: string): Promise<string>
  /** Logs out, for the next one to find a prompt. */
  end(): Promise<void>
}

/** Undefined: the guest does not take the password. */
export async function logIn(driver: Driver, serverId: string, password = 'kilonova'): Promise<Shell | undefined> {
  await loginPrompt(driver, serverId)
  const stream = await driver.openConsole(serverId, 'serial')
  const line = textOf(stream)
  stream.write('\r')
  await line.until(/login: /)
  stream.write('demo\r')
  await line.until(/assword: /)
  stream.write(`${password}\r`)
  const answer = await line.until(/\$ |incorrect[^]*login: /)
  if (/incorrect/.test(answer)) {
    stream.destroy()
    return undefined
  }
  let count = 0
  return {
    type: async (command) => {
      const number = count++
      // The echo of what is typed has the quotes, the answer has not.
      stream.write(`echo 'beg'in${number}; ${command}; echo 'en'd${number}\r`)
      const seen = await line.until(new RegExp(`end${number}\\r?\\n`))
      return new RegExp(`begin${number}\\r?\\n([^]*)end${number}`).exec(seen)?.[1] ?? ''
    },
    end: async () => {
      const before = line.seen().length
      stream.write('exit\r')
      await line.until(new RegExp(`^[^]{${before},}login: $`))
      stream.destroy()
    },
  }
}
