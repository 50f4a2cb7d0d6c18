/** A cloud in one process: companions, Kilonova's daemons, and what a new cloud begins with. */
import { dirname, join, resolve } from 'node:path'
import { systemClock } from '@kilonova/base/clock.ts'
import { believe } from '@kilonova/base/http/client.ts'
import type { RootLog } from '@kilonova/base/log.ts'
import { startIdentity } from '@kilonova/companions/identity/server.ts'
import { startImage } from '@kilonova/companions/image/server.ts'
import { startNetwork } from '@kilonova/companions/network/server.ts'
import { startAllInOne } from '@kilonova/kilonova/bin/all-in-one.ts'
import { tlsOf, trustOf } from '@kilonova/kilonova/bin/from-config.ts'
import { imageLimits, type KilonovaConfig } from '@kilonova/kilonova/config/index.ts'
import { writeCloudsYaml } from './clouds-yaml.ts'
import { demoImage } from './demo-image.ts'
import { driversOf, type Drivers } from './drivers.ts'
import { makeFirstContent } from './first-content.ts'
import type { CloudOptions } from './options.ts'
import { refuseTakenCidr } from './taken-cidr.ts'
import type { Progress } from './progress.ts'
import { placesOf, type Places } from './places.ts'
import { openSession, type Session } from './session.ts'
import type { StateDir } from './state-dir.ts'

export interface Cloud {
  readonly urls: Readonly<Record<'identity' | 'compute' | 'image' | 'network' | 'metadata', string>>
  readonly cloudsYaml: string
  /** As the member of project `demo`. */
  openDemoSession(): Promise<Session>
  /** Shows what the files of the certificate hold now. Errors: they cannot be used; the former one stays. */
  readCertificate(): void
  /** Servers keep running. */
  close(): Promise<void>
}

const REGION = 'RegionOne'
const TOKEN_SECONDS = 24 * 3600
const DEFAULT_MTU = 1450
/** Projects without quotas, until somebody sets some. */
const UNLIMITED = ['demo', 'admin']
const SSH_AND_PING = [
  { direction: 'ingress', ethertype: 'IPv4', protocol: 'tcp', portRangeMin: 22, portRangeMax: 22 },
  { direction: 'ingress', ethertype: 'IPv4', protocol: 'icmp' },
] as const

/** Errors: CidrTakenError, PortTakenError, HostError, and the system's. */
export async function startCloud(
  options: CloudOptions,
  config: KilonovaConfig,
  state: StateDir,
  log: RootLog,
  progress: Progress,
  env: NodeJS.ProcessEnv,
): Promise<Cloud> {
  const clock = systemClock(Number(env['KILONOVA_CLOCK_OFFSET_MS'] ?? 0))
  const { listen: host } = options
  const tls = tlsOf(config)
  const trust = () => believe(trustOf(config, tls))
  trust()
  const places = placesOf(options, tls !== undefined)
  const { port, here, told } = places
  if (options.driver === 'libvirt' && !state.done('first-content')) {
    await refuseTakenCidr('--private-cidr', options.privateCidr)
    await refuseTakenCidr('--public-cidr', options.publicCidr)
  }
  const closers: (() => Promise<unknown>)[] = []
  const opened = <T extends { close(): Promise<unknown> }>(part: T): T => {
    closers.push(() => part.close())
    return part
  }
  const close = async (): Promise<void> => {
    for (const end of closers.splice(0).toReversed()) await end()
  }
  let missing: string | undefined = 'the first content is being made'
  const ready = () => missing
  try {
    // Begun beside the image: both take seconds the first time.
    const hosts = driversOf(options, config, state, { clock, log, metadataUrl: here('metadata') })
    closers.push(async () => {
      for (const driver of (await hosts.catch((): Drivers => new Map())).values()) await driver.close()
    })
    hosts.catch((error: unknown) => log.error('no hypervisor', { error }))
    const image = await progress.step('demo image', () => demoImage(options.driver, state.path))
    const projects = await progress.step('identity, image and network services', async () => {
      const store = (name: string) => `sqlite:${join(state.path, `${name}.sqlite`)}`
      const common = { host, log, clock, ready, ...(tls ? { tls } : {}) }
      const identity = opened(
        await startIdentity({
          ...common,
          port: port('identity'),
          databaseUrl: store('identity'),
          region: REGION,
          tokenLifetimeSeconds: TOKEN_SECONDS,
        }),
      )
      const { projects } = await identity.bootstrap(identityPlan(state, places))
      const unlimited = UNLIMITED.flatMap((name) => projects[name] ?? [])
      const serviceCredentials = (username: string) => ({
        username,
        password: state.secrets.servicePassword,
        projectName: 'service',
      })
      opened(
        await startImage({
          ...common,
          port: port('image'),
          directory: join(state.path, 'images'),
          databaseUrl: store('image'),
          identityUrl: here('identity'),
          serviceCredentials: serviceCredentials('glance'),
          limits: imageLimits(config),
          quota: {
            imageCountTotal: config.image_companion.image_count_total,
            imageSizeTotalMib: config.image_companion.image_size_total,
          },
          webSources: {
            allowedHosts: config.image_companion.allowed_hosts,
            allowedPorts: config.image_companion.allowed_ports.map(Number),
            allowedNetworks: config.image_companion.allowed_private_networks,
          },
        }),
      )
      opened(
        await startNetwork({
          ...common,
          port: port('network'),
          databaseUrl: store('network'),
          identityUrl: here('identity'),
          serviceCredentials: serviceCredentials('neutron'),
          defaultMtu: DEFAULT_MTU,
          defaultGroupRules: SSH_AND_PING,
          unlimitedProjects: state.done('network-limits') ? [] : unlimited,
        }),
      )
      state.markDone('network-limits')
      return { unlimited, service: projects['service'] ?? '' }
    })

    const drivers = await progress.step(
      options.driver === 'fake'
        ? `${options.hosts} fake ${options.hosts === 1 ? 'host' : 'hosts'}`
        : 'libvirt and guest networks',
      () => hosts,
    )
    await progress.step('compute service', async () =>
      opened(
        await startAllInOne({
          config,
          folder: options.configFile === undefined ? state.path : dirname(resolve(options.configFile)),
          drivers,
          metadataSecret: state.secrets.metadataSecret,
          ...(tls ? { tls } : {}),
          log,
          clock,
          env,
          ready,
          unlimitedProjects: state.done('first-content') ? [] : projects.unlimited,
        }),
      ),
    )
    const session = (username: 'admin' | 'demo') =>
      openSession({
        identityUrl: here('identity'),
        username,
        password: state.secrets[`${username}Password`],
        project: username,
        urls: { compute: `${here('compute')}/v2.1`, image: here('image'), network: here('network') },
      })
    if (!state.done('first-content'))
      await progress.step('flavors, image and networks', async () => {
        await makeFirstContent({
          admin: await session('admin'),
          imageUrl: here('image'),
          image,
          privateCidr: options.privateCidr,
          publicCidr: options.publicCidr,
          publicProject: projects.service,
        })
        state.markDone('first-content')
      })
    const cloudsYaml = join(state.path, 'clouds.yaml')
    writeCloudsYaml(
      cloudsYaml,
      REGION,
      [
        {
          name: 'kilonova',
          authUrl: told('identity'),
          username: 'demo',
          password: state.secrets.demoPassword,
          project: 'demo',
        },
        {
          name: 'kilonova-admin',
          authUrl: told('identity'),
          username: 'admin',
          password: state.secrets.adminPassword,
          project: 'admin',
        },
      ],
      config.keystone_authtoken.cafile,
    )
    missing = undefined
    const urls = {
      identity: told('identity'),
      image: told('image'),
      network: told('network'),
      compute: told('compute'),
      metadata: told('metadata'),
    }
    return {
      urls,
      cloudsYaml,
      openDemoSession: () => session('demo'),
      readCertificate: () => {
        tls?.reload()
        trust()
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

function identityPlan({ secrets }: StateDir, { here, told }: Places) {
  const service = (name: string) => ({ name, password: secrets.servicePassword, defaultProject: 'service' })
  const endpoints = (type: 'identity' | 'compute' | 'image' | 'network', name: string, path = '') => ({
    type,
    name,
    url: `${told(type)}${path}`,
    internalUrl: `${here(type)}${path}`,
  })
  return {
    projects: [{ name: 'admin' }, { name: 'demo' }, { name: 'service' }],
    users: [
      { name: 'admin', password: secrets.adminPassword, defaultProject: 'admin' },
      { name: 'demo', password: secrets.demoPassword, defaultProject: 'demo' },
      ...['nova', 'glance', 'neutron'].map(service),
    ],
    assignments: [
      { user: 'admin', project: 'admin', role: 'admin' },
      { user: 'demo', project: 'demo', role: 'member' },
      ...['nova', 'glance', 'neutron'].map((user) => ({ user, project: 'service', role: 'service' })),
    ],
    services: [
      endpoints('identity', 'keystone', '/v3'),
      endpoints('compute', 'nova', '/v2.1'),
      endpoints('image', 'glance'),
      endpoints('network', 'neutron'),
    ],
  }
}
