/** `rebuild`: what it names must exist and fit the server's flavor; the answer is the server, and the password that nobody but the caller learns. */
import { z } from 'zod'
import { rebuild } from '../../actions/rebuild.ts'
import type { Rebuilt } from '../../actions/rebuilt.ts'
import { quotaLimits } from '../../db/quotas.ts'
import { isNovaError, NovaError } from '../../domain/errors.ts'
import type { Server } from '../../domain/server.ts'
import { adminPassword } from '../admin-password.ts'
import type { At, Ctx } from '../context.ts'
import { badRequest } from '../faults.ts'
import { boolean, description, fqdn, hostname, ipv4, ipv6, metadata, name, uuid } from '../fields.ts'
import { inBase64, personality, trustedCertificates } from './server-create-body.ts'
import { imageFor, keyFor, mustNotTrust } from './server-create-checks.ts'
import { injectedFiles } from './server-files.ts'
import { rebuiltServerView } from './server-view.ts'
import { forViewer, shown, type Shown } from './servers.ts'
import { taskRequest } from './task-request.ts'

const v1 = {
  imageRef: uuid,
  name: name.optional(),
  adminPass: z.string().optional(),
  metadata: metadata.optional(),
  preserve_ephemeral: boolean.optional(),
  'OS-DCF:diskConfig': z.enum(['AUTO', 'MANUAL']).optional(),
  accessIPv4: ipv4.optional(),
  accessIPv6: ipv6.optional(),
  personality: personality.optional(),
}
const v19 = { ...v1, description: description.optional() }
const v54 = { ...v19, key_name: name.nullable().optional() }
const { personality: _, ...rest } = v54
const v57 = { ...rest, user_data: inBase64(z.string().max(65_535)).nullable().optional() }
const v63 = { ...v57, trusted_image_certificates: trustedCertificates.optional() }
const v90 = { ...v63, hostname: hostname.optional() }
const v94 = { ...v63, hostname: fqdn.optional() }

/** What every version's value is to the handler: fields of later versions are simply absent. */
type Asked = z.output<z.ZodObject<typeof v1>> & Partial<Omit<z.output<z.ZodObject<typeof v94>>, keyof typeof v1>>

async function recordOf(ctx: Ctx, server: Server, asked: Asked): Promise<Rebuilt> {
  const limits = await quotaLimits(ctx.db, ctx.caller.projectId, ctx.config.quota)
  if (limits.metadata_items >= 0 && Object.keys(asked.metadata ?? {}).length > limits.metadata_items)
    throw new NovaError('MetadataLimitExceeded', { allowed: limits.metadata_items })
  mustNotTrust(asked.trusted_image_certificates)
  // Upstream takes it, and lets the rebuild fail where the driver cannot.
  if (asked.preserve_ephemeral) throw badRequest('The current driver does not support preserving ephemeral partitions.')
  const image = await imageFor(ctx, asked.imageRef, server.flavor).catch((error: unknown) => {
    throw isNovaError(error, 'ImageNotFound') ? badRequest('Cannot find image for rebuild') : error
  })
  const key = asked.key_name === null ? null : await keyFor(ctx, asked.key_name)
  return {
    image,
    ...given({
      name: asked.name,
      description: asked.description,
      hostname: asked.hostname,
      metadata: asked.metadata,
      userData: asked.user_data,
      injectedFiles: asked.personality && [...injectedFiles(limits, asked.personality)],
      accessIpV4: asked.accessIPv4 === undefined ? undefined : asked.accessIPv4 || null,
      accessIpV6: asked.accessIPv6 === undefined ? undefined : asked.accessIPv6 || null,
      diskConfig: asked['OS-DCF:diskConfig'],
    }),
    ...(key === undefined
      ? {}
      : { keyName: key?.name ?? null, keyType: key?.type ?? null, publicKey: key?.publicKey ?? null }),
  }
}
/** Without what is undefined. */
const given = <T extends object>(fields: T): Partial<T> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>

/** The server as it will be: the record is written by the task, once the old disk is aside. */
function view(server: Shown, record: Server, adminPass: string, at: At): string {
  const row = {
    ...server.row,
    name: record.name,
    description: record.description,
    hostname: record.hostname,
    metadata: JSON.stringify(record.metadata),
    image_id: record.image?.id ?? null,
    image: JSON.stringify(record.image),
    key_name: record.keyName,
    access_ip_v4: record.accessIpV4,
    access_ip_v6: record.accessIpV6,
    disk_config: record.diskConfig,
    user_data: record.userData,
  }
  const seen = rebuiltServerView({ ...server, row }, forViewer(server, at))
  const more = {
    ...(at.minor >= 54 && at.minor < 75 ? { key_name: record.keyName } : {}),
    ...(at.minor >= 57 ? { user_data: record.userData } : {}),
    adminPass,
  }
  return `{"server":${seen.slice(0, -1)},${JSON.stringify(more).slice(1)}}`
}

const value = <S extends z.ZodRawShape>(shape: S) => z.strictObject(shape) as unknown as z.ZodType<Asked>

export const rebuildRequest = taskRequest<Asked>({
  key: 'rebuild',
  action: rebuild,
  status: 202,
  value: {
    '2.1': value(v1),
    '2.19': value(v19),
    '2.54': value(v54),
    '2.57': value(v57),
    '2.63': value(v63),
    '2.90': value(v90),
    '2.94': value(v94),
  },
  prepare: async (ctx, server, asked) => {
    const record = await recordOf(ctx, server, asked)
    const adminPass = adminPassword(asked.adminPass)
    return {
      body: { record, otherImage: record.image?.id !== server.image?.id },
      answer: async () => {
        ctx.setHeader('location', `${ctx.at.base}/servers/${server.id}`)
        const now = await shown(ctx)
        return (at) => view(now, { ...server, ...record } as Server, adminPass, at)
      },
    }
  },
})
