/** The body of `POST /servers` at each microversion. What is not supported is refused by a check with a sentence, not by the schema. */
import { z } from 'zod'
import {
  boolean,
  description,
  fqdn,
  hostname,
  integer,
  ip,
  ipv4,
  ipv6,
  metadata,
  name,
  tag,
  tags,
  uuid,
} from '../fields.ts'

const isBase64 = (text: string): boolean =>
  /^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(text) && text.replaceAll(/\s/g, '').length % 4 === 0
export const inBase64 = (text: z.ZodString) =>
  text.refine(isBase64, { error: (issue) => `'${String(issue.input).slice(0, 50)}' is not a 'base64'` })

export const personality = z.array(z.strictObject({ path: z.string(), contents: inBase64(z.string()) }))
export const trustedCertificates = z.array(z.string().min(1)).min(1).max(50).nullable()

const network = z.strictObject({ uuid: uuid.optional(), port: uuid.nullable().optional(), fixed_ip: ip.optional() })
const taggedNetwork = network.extend({ tag: tag.optional() })
const flavorRef = z.preprocess((value) => (typeof value === 'number' ? String(value) : value), z.string().min(1))
const imageRef = z.union([uuid, z.literal('')])
const legacyDevice = {
  virtual_name: z.string().max(255).optional(),
  volume_id: uuid.optional(),
  snapshot_id: uuid.optional(),
  volume_size: z.union([integer(1), z.literal(''), z.null()]).optional(),
  device_name: z
    .string()
    .min(1)
    .max(255)
    .regex(/^[a-zA-Z0-9._/-]*$/)
    .optional(),
  delete_on_termination: boolean.optional(),
  no_device: z.unknown().optional(),
  connection_info: z.string().optional(),
}
const device = z.strictObject({
  ...legacyDevice,
  source_type: z.enum(['volume', 'image', 'snapshot', 'blank']).optional(),
  uuid: z
    .string()
    .min(1)
    .max(255)
    .regex(/^[a-zA-Z0-9._-]*$/)
    .optional(),
  image_id: uuid.optional(),
  destination_type: z.enum(['local', 'volume']).optional(),
  guest_format: z.string().max(255).optional(),
  device_type: z.string().max(255).optional(),
  disk_bus: z.string().max(255).optional(),
  boot_index: integer(-1_000_000).nullable().optional(),
})
const taggedDevice = device.extend({ tag: tag.optional() })
const typedDevice = taggedDevice.extend({ volume_type: z.string().max(255).nullable().optional() })

const v1 = {
  name,
  flavorRef,
  imageRef: imageRef.optional(),
  adminPass: z.string().optional(),
  metadata: metadata.optional(),
  networks: z.array(network).optional(),
  'OS-DCF:diskConfig': z.enum(['AUTO', 'MANUAL']).optional(),
  accessIPv4: ipv4.optional(),
  accessIPv6: ipv6.optional(),
  personality: personality.optional(),
  availability_zone: z.string().min(1).max(255).optional(),
  block_device_mapping: z.array(z.strictObject(legacyDevice)).optional(),
  block_device_mapping_v2: z.array(device).optional(),
  config_drive: boolean.optional(),
  key_name: name.optional(),
  min_count: integer(1).optional(),
  max_count: integer(1).optional(),
  return_reservation_id: boolean.optional(),
  security_groups: z.array(z.strictObject({ name })).optional(),
  user_data: inBase64(z.string().max(65_535)).optional(),
}

const v19 = { ...v1, description: description.optional() }
const v32 = {
  ...v19,
  networks: z.array(taggedNetwork).optional(),
  block_device_mapping_v2: z.array(taggedDevice).optional(),
}
// Tags of devices were lost by an oversight, and came back with 2.42.
const v33 = { ...v32, block_device_mapping_v2: v19.block_device_mapping_v2 }
const v37 = { ...v33, networks: z.union([z.array(network), z.enum(['auto', 'none'])]) }
const v42 = {
  ...v37,
  networks: z.union([z.array(taggedNetwork), z.enum(['auto', 'none'])]),
  block_device_mapping_v2: z.array(taggedDevice).optional(),
}
const v52 = { ...v42, tags: tags.optional() }
const { personality: _, ...v57 } = v52
const v63 = { ...v57, trusted_image_certificates: trustedCertificates.optional() }
const v67 = { ...v63, block_device_mapping_v2: z.array(typedDevice).optional() }
const v74 = { ...v67, host: fqdn.optional(), hypervisor_hostname: fqdn.optional() }
const v90 = { ...v74, hostname: hostname.optional() }
const v94 = { ...v74, hostname: fqdn.optional() }

const serverIds = z.union([uuid, z.array(uuid)])
/** Anything else may be hinted, too: filters of an operator's own may know it. */
const hints = z
  .looseObject({
    group: z.union([uuid, z.array(uuid)]).optional(),
    same_host: serverIds.optional(),
    different_host: serverIds.optional(),
    query: z.union([z.string(), z.record(z.string(), z.json())]).optional(),
    target_cell: name.optional(),
    different_cell: z.union([z.string(), z.array(z.string())]).optional(),
    build_near_host_ip: ip.optional(),
    cidr: z
      .string()
      .regex(/^\/[0-9a-f.:]+$/)
      .optional(),
  })
  .catchall(z.json())
  .optional()
export type Hints = NonNullable<z.output<typeof hints>>
const body = <S extends z.ZodRawShape>(shape: S) =>
  z.strictObject({ server: z.strictObject(shape), 'os:scheduler_hints': hints, 'OS-SCH-HNT:scheduler_hints': hints })

export const createBodies = {
  // Before there were descriptions, upstream wrote the name there.
  '2.1': body(v1).transform(({ server, ...more }) => ({ ...more, server: { ...server, description: server.name } })),
  '2.19': body(v19),
  '2.32': body(v32),
  '2.33': body(v33),
  '2.37': body(v37),
  '2.42': body(v42),
  '2.52': body(v52),
  '2.57': body(v57),
  '2.63': body(v63),
  '2.67': body(v67),
  '2.74': body(v74),
  '2.90': body(v90),
  '2.94': body(v94),
} as const

/** What every version's body is to the handler: fields of later versions are simply absent. */
type Fields = Omit<z.output<z.ZodObject<typeof v1>>, 'networks'> & {
  readonly networks?: z.output<(typeof v42)['networks']> | undefined
} & Partial<
    Pick<
      z.output<z.ZodObject<typeof v94>>,
      'description' | 'tags' | 'trusted_image_certificates' | 'host' | 'hypervisor_hostname' | 'hostname'
    >
  >
export interface CreateRequest {
  readonly server: Omit<Fields, 'personality'> & Partial<Pick<Fields, 'personality'>>
  readonly 'os:scheduler_hints'?: Hints | undefined
  readonly 'OS-SCH-HNT:scheduler_hints'?: Hints | undefined
}
