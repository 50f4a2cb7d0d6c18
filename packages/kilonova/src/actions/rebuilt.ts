/** What a rebuild may change of a server's record. */
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
export const rebuilt = z.strictObject({
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
export type Rebuilt = z.output<typeof rebuilt>

export const rebuiltOf = (server: Server): Rebuilt => rebuilt.strip().parse(server)
