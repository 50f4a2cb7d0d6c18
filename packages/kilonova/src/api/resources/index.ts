/** Every operation of the Compute API. The HTTP layer, the tests and the documents read this list. */
import type { AnyOperation } from '../resource.ts'
import { aggregates } from './aggregates.ts'
import { assistedVolumeSnapshots } from './assisted-volume-snapshots.ts'
import { availabilityZones } from './availability-zones.ts'
import { consoleAuthTokens } from './console-auth-tokens.ts'
import { baremetalNodes } from './baremetal-nodes.ts'
import { extensions } from './extensions.ts'
import { externalEvents } from './external-events.ts'
import { flavorAccess } from './flavor-access.ts'
import { flavorExtraSpecs } from './flavor-extra-specs.ts'
import { flavors } from './flavors.ts'
import { floatingIps } from './floating-ips.ts'
import { hosts } from './hosts.ts'
import { hypervisors } from './hypervisors.ts'
import { imageMetadata } from './image-metadata.ts'
import { images } from './images.ts'
import { instanceActions } from './instance-actions.ts'
import { interfaces } from './interfaces.ts'
import { keyPairs } from './key-pairs.ts'
import { limits } from './limits.ts'
import { migrations } from './migrations.ts'
import { networks } from './networks.ts'
import { quotaClasses } from './quota-classes.ts'
import { quotas } from './quotas.ts'
import { remoteConsoles } from './remote-consoles.ts'
import { removed } from './removed.ts'
import { securityGroups } from './security-groups.ts'
import { backupPolicies } from './backup-policies.ts'
import { serverAction } from './server-action.ts'
import { serverCreate } from './server-create.ts'
import { serverDiagnostics } from './server-diagnostics.ts'
import { serverGroups } from './server-groups.ts'
import { serverIps } from './server-ips.ts'
import { serverMetadata } from './server-metadata.ts'
import { serverMigrations } from './server-migrations.ts'
import { serverPassword } from './server-password.ts'
import { serverSecurityGroups } from './server-security-groups.ts'
import { serverShares } from './server-shares.ts'
import { serverTags } from './server-tags.ts'
import { serverTopology } from './server-topology.ts'
import { servers } from './servers.ts'
import { services } from './services.ts'
import { tenantUsage } from './tenant-usage.ts'
import { usageAuditLog } from './usage-audit-log.ts'
import { volumeAttachments } from './volume-attachments.ts'
import { volumesBoot } from './volumes-boot.ts'
import { volumes } from './volumes.ts'

export const OPERATIONS: readonly AnyOperation[] = [
  ...servers,
  ...serverCreate,
  ...serverAction,
  ...backupPolicies,
  ...serverMetadata,
  ...serverTags,
  ...serverIps,
  ...serverTopology,
  ...remoteConsoles,
  ...serverDiagnostics,
  ...serverPassword,
  ...serverSecurityGroups,
  ...interfaces,
  ...volumeAttachments,
  ...serverShares,
  ...serverMigrations,
  ...instanceActions,
  ...serverGroups,
  ...flavors,
  ...flavorExtraSpecs,
  ...flavorAccess,
  ...keyPairs,
  ...hypervisors,
  ...services,
  ...aggregates,
  ...availabilityZones,
  ...limits,
  ...quotas,
  ...quotaClasses,
  ...tenantUsage,
  ...extensions,
  ...externalEvents,
  ...migrations,
  ...usageAuditLog,
  ...assistedVolumeSnapshots,
  ...images,
  ...imageMetadata,
  ...networks,
  ...floatingIps,
  ...securityGroups,
  ...hosts,
  ...baremetalNodes,
  ...volumes,
  ...volumesBoot,
  ...removed,
  ...consoleAuthTokens,
]
