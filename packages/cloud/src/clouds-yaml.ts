/** `clouds.yaml`: how the stock clients find and enter this cloud. Readable by its owner alone. */
import { renameSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'

export interface CloudEntry {
  readonly name: string
  readonly authUrl: string
  readonly username: string
  readonly password: string
  readonly project: string
}

/** `cacert` is the file of the authorities that clients are to believe. */
export function writeCloudsYaml(file: string, region: string, clouds: readonly CloudEntry[], cacert?: string): void {
  const entries = clouds.map(({ name, authUrl, username, password, project }) =>
    [
      `  ${name}:`,
      '    auth:',
      `      auth_url: ${JSON.stringify(`${authUrl}/v3`)}`,
      `      username: ${JSON.stringify(username)}`,
      `      password: ${JSON.stringify(password)}`,
      `      project_name: ${JSON.stringify(project)}`,
      '      user_domain_id: default',
      '      project_domain_id: default',
      `    region_name: ${JSON.stringify(region)}`,
      '    identity_api_version: 3',
      ...(cacert === undefined ? [] : [`    cacert: ${JSON.stringify(resolve(cacert))}`]),
    ].join('\n'),
  )
  writeFileSync(`${file}.new`, `clouds:\n${entries.join('\n')}\n`, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}
