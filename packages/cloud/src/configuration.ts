/** The configuration of this cloud: what the file says, and over it what the command line and the state directory settle. */
import { readFileSync } from 'node:fs'
import { readConfig, type KilonovaConfig } from '@kilonova/kilonova/config/index.ts'
import { UsageError, type CloudOptions } from './options.ts'
import { placesOf } from './places.ts'
import type { StateDir } from './state-dir.ts'

/** Errors: UsageError, ConfigError. */
export function configurationOf(options: CloudOptions, state: StateDir): KilonovaConfig {
  const text = textOf(options.configFile)
  const said = readConfig(text, {}, options.configFile)
  const unsaid = readConfig()
  const tls = said.DEFAULT.ssl_cert_file !== undefined
  const { port, here, told } = placesOf(options, tls)
  const overrides = {
    DEFAULT: {
      state_path: state.path,
      ...(options.debug ? { debug: true } : {}),
      ...(options.json ? { use_json: true } : {}),
      osapi_compute_listen: options.listen,
      metadata_listen: options.listen,
      osapi_compute_listen_port: port('compute'),
      metadata_listen_port: port('metadata'),
      compute_driver: options.driver === 'fake' ? 'fake.FakeDriver' : 'libvirt.LibvirtDriver',
    },
    vnc: {
      novncproxy_host: options.listen,
      novncproxy_port: port('novnc'),
      // A file may name what stands before the proxy.
      ...(said.vnc.novncproxy_base_url === unsaid.vnc.novncproxy_base_url
        ? { novncproxy_base_url: `${told('novnc')}/vnc_auto.html` }
        : {}),
    },
    serial_console: {
      serialproxy_host: options.listen,
      serialproxy_port: port('serial'),
      ...(said.serial_console.base_url === unsaid.serial_console.base_url
        ? { base_url: `${told('serial').replace(/^http/, 'ws')}/` }
        : {}),
    },
    keystone_authtoken: {
      auth_url: here('identity'),
      username: 'nova',
      password: state.secrets.servicePassword,
      project_name: 'service',
      // The catalog's public endpoints may be names that only clients elsewhere know.
      valid_interfaces: 'internal',
      www_authenticate_uri: told('identity'),
    },
  }
  return readConfig(text, overrides, options.configFile)
}

function textOf(file: string | undefined): string {
  if (file === undefined) return ''
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`--config ${file} cannot be read: ${(error as Error).message}`, { cause: error })
  }
}
