/** The tree that EC2's metadata service has under `meta-data`. Pure. Upstream: nova/api/metadata/base.py. */
import { deviceNames, localDisksOf } from './local-disks.ts'
import type { Server } from './server.ts'

/** What the server's record does not say of itself. Addresses are IPv4; empty: there is none. */
export interface Ec2Facts {
  readonly hostname: string
  readonly localIp: string
  readonly publicIp: string
}

/**
 * In one dated version. Lists are lines, objects are folders. The short ids EC2 wants are cut from ours: they tell servers apart to
 * people, nothing looks them up.
 */
export function ec2MetaData(
  server: Server,
  { hostname, localIp, publicIp }: Ec2Facts,
  version: string,
): Readonly<Record<string, unknown>> {
  const { image, keyName, publicKey } = server
  const root = server.rootDeviceName ?? '/dev/vda'
  const properties = image?.properties ?? {}
  return {
    'ami-id': shortId('ami', image?.id),
    'ami-launch-index': server.launchIndex,
    'ami-manifest-path': 'FIXME', // Nova's literal answer
    'instance-id': shortId('i', server.id),
    hostname,
    'local-ipv4': localIp,
    'reservation-id': server.reservationId,
    'security-groups': server.securityGroups,
    ...(keyName !== null && publicKey !== null ? { 'public-keys': { '0': { 'openssh-key': publicKey } } } : {}),
    ...(version >= '2007-01-19'
      ? { 'local-hostname': hostname, 'public-hostname': hostname, 'public-ipv4': publicIp }
      : {}),
    ...(version >= '2007-08-29' ? { 'instance-type': server.flavor.name } : {}),
    ...(version >= '2007-12-15'
      ? {
          'block-device-mapping': {
            ami: root.replace('/dev/', ''),
            root,
            ...deviceNames(root, localDisksOf(server)),
          },
          ...(properties['kernel_id'] ? { 'kernel-id': shortId('aki', properties['kernel_id']) } : {}),
          ...(properties['ramdisk_id'] ? { 'ramdisk-id': shortId('ari', properties['ramdisk_id']) } : {}),
        }
      : {}),
    ...(version >= '2008-02-01' ? { placement: { 'availability-zone': server.availabilityZone ?? 'nova' } } : {}),
    ...(version >= '2008-09-01' ? { 'instance-action': 'none' } : {}),
  }
}

const shortId = (kind: string, id: string | undefined): string => `${kind}-${id?.slice(0, 8) ?? '00000000'}`
