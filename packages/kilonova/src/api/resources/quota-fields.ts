/** The names of what is limited, as answers and bodies have them; those of addresses and of files ended at versions of their own. */
import { z } from 'zod'
import type { QuotaLimits, QuotaResource } from '../../db/quotas.ts'
import type { Microversion } from '../../domain/microversion.ts'
import { integer } from '../fields.ts'
import { before } from '../resource.ts'

const ADDRESSES = ['fixed_ips', 'floating_ips', 'security_group_rules', 'security_groups'] as const
const FILES = ['injected_file_content_bytes', 'injected_file_path_bytes', 'injected_files'] as const
const LASTING = ['cores', 'instances', 'key_pairs', 'metadata_items', 'ram'] as const
export const GROUPS = ['server_group_members', 'server_groups'] as const

const NO_FILES = '2.57'

/** What is shown of each limit, but those of server groups. */
export const limitFields = <T>(noAddresses: Microversion, of: (value: T, resource: QuotaResource) => unknown) => ({
  ...Object.fromEntries(LASTING.map((name) => [name, (value: T) => of(value, name)])),
  ...Object.fromEntries(ADDRESSES.map((name) => [name, before(noAddresses, (value: T) => of(value, name))])),
  ...Object.fromEntries(FILES.map((name) => [name, before(NO_FILES, (value: T) => of(value, name))])),
})

const some = <K extends string>(names: readonly K[]) =>
  Object.fromEntries(names.map((name) => [name, integer(-1).optional()])) as Record<
    K,
    z.ZodOptional<ReturnType<typeof integer>>
  >
const lasting = { ...some(LASTING), ...some(GROUPS) }
/** What a body may set, by version. */
export const settable = <K extends string, F extends Microversion, M extends z.ZodRawShape>(
  key: K,
  noAddresses: F,
  more: M,
) => {
  const body = <S extends z.ZodRawShape>(shape: S) =>
    z.strictObject({ [key]: z.strictObject({ ...shape, ...more }) } as Record<K, z.ZodObject<S & M, z.core.$strict>>)
  return {
    '2.1': body({ ...lasting, ...some(ADDRESSES), ...some(FILES) }),
    [noAddresses]: body({ ...lasting, ...some(FILES) }),
    [NO_FILES]: body(lasting),
  }
}

export type Asked = Readonly<Partial<Record<QuotaResource, number | undefined>>>
export const settings = (asked: Asked): readonly (readonly [QuotaResource, number])[] =>
  (Object.entries(asked) as [QuotaResource, number | undefined][]).flatMap(([name, limit]) =>
    limit === undefined ? [] : [[name, limit] as const],
  )
export const limitOf = (limits: QuotaLimits, resource: QuotaResource): number => limits[resource]
