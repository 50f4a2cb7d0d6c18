/** What a rebuild changes of a server's record: the image, and what the user named. What others write meanwhile to the rest, stays. */
import { z } from 'zod'
import type { Server } from '../domain/server.ts'

const texts = z.record(z.string(), z.string())
export const serverImage = z.strictObject({
  id: z.string(),
  name: z.string(),
  diskFormat: z.string(),
  minDiskGb: z.number(),
  minRamMb: z.number(),
  sizeBytes: z.number(),
  virtualSizeBytes: z.number().nullable().optional(),
  properties: texts,
})
const record = z.strictObject({
  name: z.string(),
  description: z.string().nullable(),
  hostname: z.string(),
  image: serverImage.nullable(),
  keyName: z.string().nullable(),
  keyType: z.string().nullable(),
  publicKey: z.string().nullable(),
  userData: z.string().nullable(),
  injectedFiles: z.array(z.strictObject({ path: z.string(), contents: z.string() })),
  metadata: texts,
  accessIpV4: z.string().nullable(),
  accessIpV6: z.string().nullable(),
  diskConfig: z.enum(['AUTO', 'MANUAL']),
})
/** The image is always named: it may have changed since. */
export const rebuilt = record.partial().required({ image: true })
export type Rebuilt = z.output<typeof rebuilt>

/** What stands now where a rebuild will write. */
export function standing(server: Server, change: Rebuilt): Rebuilt {
  const all = record.strip().parse(server)
  const named = new Set(Object.keys(change))
  return rebuilt.parse(Object.fromEntries(Object.entries(all).filter(([field]) => named.has(field))))
}
