/** Images: what one is, and its bytes. Upstream: Glance v2. */
import type { IncomingMessage } from 'node:http'

export interface ImageFacts {
  readonly id: string
  readonly name: string
  readonly status: string
  readonly diskFormat: string
  readonly containerFormat: string
  readonly minDiskGb: number
  readonly minRamMb: number
  readonly sizeBytes: number
  /** Of the disk inside, where the service knows it. */
  readonly virtualSizeBytes: number | null
  readonly hashAlgorithm: string
  readonly hash: string
  /** All custom properties, as text. */
  readonly properties: Readonly<Record<string, string>>
}

export interface Glance {
  /** Seen with the user's token, or with ours when none is given. Undefined: there is none, or it is not theirs to see. Errors: NovaError ServiceUnavailable, ServiceRefused. */
  show(id: string, token?: string): Promise<ImageFacts | undefined>
  /** The bytes, with our token. Undefined: the image is gone. */
  download(id: string, signal?: AbortSignal): Promise<IncomingMessage | undefined>
}
