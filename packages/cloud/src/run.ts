/** The life of the process: options, state, cloud, the words on the terminal, and a clean end on a signal. Returns the exit code. */
import { once } from 'node:events'
import { join } from 'node:path'
import { openLog } from '@kilonova/base/log.ts'
import { startCloud, type Cloud } from './cloud.ts'
import { configurationOf } from './configuration.ts'
import { bootDemoServer } from './demo-server.ts'
import { explain, NotRootError } from './explain.ts'
import { parseOptions, USAGE } from './options.ts'
import { progress, type Progress } from './progress.ts'
import { openStateDir, type StateDir } from './state-dir.ts'

export async function run(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const began = performance.now()
  const shown = progress(process.stdout)
  let state: StateDir | undefined
  let stop: AbortSignal | undefined
  try {
    const options = parseOptions(args, env)
    if (options === 'help') {
      process.stdout.write(USAGE)
      return 0
    }
    if (options.driver === 'libvirt' && process.getuid?.() !== 0) throw new NotRootError()
    state = openStateDir(options.stateDir)
    const config = configurationOf(options, state)
    const log = openLog({
      level: config.DEFAULT.debug ? 'debug' : 'info',
      json: config.DEFAULT.use_json,
      file: join(state.path, 'log/kilonova.log'),
    })
    stop = stopSignal()
    process.on('SIGHUP', () => log.reopen())
    process.on('unhandledRejection', (error) => log.error('unhandled rejection', { error }))
    const cloud = await startCloud(options, config, state, log, shown, env)
    process.on('SIGHUP', () => {
      try {
        cloud.readCertificate()
      } catch (error) {
        log.error('the new certificate cannot be used', { error })
      }
    })
    if (!stop.aborted) {
      welcome(cloud, shown, (performance.now() - began) / 1000)
      if (options.demo && options.driver === 'libvirt' && !state.done('demo-server'))
        await demo(cloud, state, shown, stop)
    }
    if (!stop.aborted) await once(stop, 'abort')
    shown.say('\nStopping; servers keep running.')
    await cloud.close()
    log.flush()
    return 0
  } catch (error) {
    if (stop?.aborted) {
      process.stderr.write('\nStopped before it was ready.\n')
      return 130
    }
    const { code, text } = explain(error)
    process.stderr.write(`\nKilonova cannot start: ${text}\n`)
    return code
  } finally {
    state?.release()
  }
}

/** Aborted by the first signal; a second one ends the process at once. */
function stopSignal(): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => (stop.signal.aborted ? process.exit(130) : stop.abort()))
  return stop.signal
}

function welcome({ urls, cloudsYaml }: Cloud, { say }: Progress, seconds: number): void {
  say(`\nKilonova is ready (${seconds.toFixed(1)} s).\n`)
  for (const [service, url] of Object.entries(urls)) say(`  ${service.padEnd(9)} ${url}`)
  say(
    `\nUse it with the stock client:\n\n  export OS_CLIENT_CONFIG_FILE=${cloudsYaml}\n  export OS_CLOUD=kilonova\n\n  openstack server list\n`,
  )
}

/** A demo server that fails is told, and does not end the cloud. */
async function demo(cloud: Cloud, state: StateDir, shown: Progress, stop: AbortSignal): Promise<void> {
  try {
    const server = await shown.step('server "demo" boots', async () =>
      bootDemoServer(await cloud.openDemoSession(), stop),
    )
    state.markDone('demo-server')
    shown.say(
      `\n  server    demo (${server.id})\n  address   ${server.address ?? 'none'}\n  console   ${server.prompt ?? 'no login prompt yet: openstack console log show demo'}\n`,
    )
  } catch (error) {
    if (!stop.aborted) shown.say(`  ${(error as Error).message}`)
  }
}
