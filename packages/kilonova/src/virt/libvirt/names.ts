/** Names by which we know what is ours on a host that others use too. */

export const METADATA_NAMESPACE = 'https://kilonova.invalid/xmlns/domain/1'

/** The whole id of the server: a shortened one would one day be another server's too. */
export const domainName = (installationId: string, serverId: string): string => `kilonova-${installationId}-${serverId}`

export const isOurs = (installationId: string, domain: { readonly name: string; readonly uuid: string }): boolean =>
  domain.name === domainName(installationId, domain.uuid)
