/**
 * Runs backup policies that are due. A run has one request id, made from the policy and the time it was due: a run that is taken up after a
 * crash finds by it what was begun, and backs nothing up twice. Times that passed while nobody ran are made up for once.
 */
import { newId } from '@kilonova/base/clock.ts'
import type { PeriodicTask } from '@kilonova/base/run-periodic.ts'
import { uuid5 } from '@kilonova/base/uuid5.ts'
import { createBackup } from '../../actions/create-backup.ts'
import { imageOf } from '../../actions/snapshot.ts'
import { claimDuePolicies, endPolicyRun } from '../../db/backup-policies.ts'
import { serversOfProject } from '../../db/server-lookups.ts'
import { isRequestOf } from '../../db/tasks.ts'
import { nextRun, type BackedUp, type BackupPolicy } from '../../domain/backup-policy.ts'
import type { Server } from '../../domain/server.ts'
import { tryAdmit, type PeriodicReach } from './reach.ts'

const CLAIM_MS = 5 * 60_000
const LONGEST_NAME = 255

/** What rotation counts: the backups of this policy, of each server apart. */
export const backupTypeOf = ({ id }: Pick<BackupPolicy, 'id'>): string => `policy-${id}`

function wanted(servers: BackedUp, { id, tags }: Server): boolean {
  if ('ids' in servers) return servers.ids.includes(id)
  return 'tag' in servers ? tags.includes(servers.tag) : true
}

function imageFor(policy: BackupPolicy, server: Server) {
  const time = new Date(policy.nextRunAt).toISOString().slice(0, 16)
  return imageOf(server, {
    id: newId(),
    name: `${server.name}-${policy.name}-${time}`.slice(-LONGEST_NAME),
    type: 'backup',
    userId: policy.userId,
    projectId: policy.projectId,
    properties: { backup_type: backupTypeOf(policy) },
  })
}

async function runPolicy(reach: PeriodicReach, policy: BackupPolicy): Promise<void> {
  const { db, clock, log } = reach
  const { id, projectId, userId, servers, rotation, nextRunAt } = policy
  const caller = { requestId: `req-${uuid5(`${id}/${nextRunAt}`)}`, userId, projectId, isAdmin: false }
  const begun: string[] = []
  const skipped: { server: string; reason: string }[] = []
  const known = await serversOfProject(db, projectId)
  for (const server of known.filter((each) => wanted(servers, each))) {
    const refusal = (await isRequestOf(db, server.id, caller.requestId))
      ? undefined
      : await tryAdmit(reach, caller, createBackup, server.id, { image: imageFor(policy, server), rotation })
    if (refusal === undefined) begun.push(server.id)
    else skipped.push({ server: server.id, reason: refusal })
  }
  if ('ids' in servers)
    for (const server of servers.ids.filter((each) => known.every((other) => other.id !== each)))
      skipped.push({ server, reason: 'There is no such server.' })
  await endPolicyRun(db, policy, { at: nextRunAt, begun, skipped }, nextRun(policy.schedule, clock.now()))
  log.info('backup policy ran', {
    policy: id,
    requestId: caller.requestId,
    begun: begun.length,
    skipped: skipped.length,
  })
}

/** One look; one policy that fails does not hold up the others. */
export async function backUpDue(reach: PeriodicReach): Promise<void> {
  const now = reach.clock.now()
  for (const policy of await claimDuePolicies(reach.db, now, now + CLAIM_MS))
    await runPolicy(reach, policy).catch((error: unknown) =>
      reach.log.error('backup policy failed, it is tried again', { policy: policy.id, error }),
    )
}

export const backups = (reach: PeriodicReach, every = 30_000): PeriodicTask => ({
  name: 'backups',
  every,
  run: () => backUpDue(reach),
})
