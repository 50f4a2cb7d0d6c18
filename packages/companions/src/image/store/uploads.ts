/**
 * The states of an image's bytes.
 *
 *   queued --begin--> saving -------------------finish--> active <--> deactivated
 *     ^  \---------> importing (web-download) --finish------^
 *     |   \--------> uploading (stage) --begin--> importing-^
 *     \---- abandon -- of any of these
 *
 * Only the upload that began may finish: a delete in between wins.
 */
import type { Kysely } from 'kysely'
import type { Received } from '../content.ts'
import type { ImageTables } from './tables.ts'

export type UploadState = 'saving' | 'uploading' | 'importing'

/** False: the image is gone, or it has its data or is being given it. */
export async function beginUpload(
  db: Kysely<ImageTables>,
  id: string,
  upload: {
    readonly uploadId: string
    readonly from: ImageTables['images']['status']
    readonly to: UploadState
    readonly now: number
  },
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('images')
    .set({ status: upload.to, upload_id: upload.uploadId, updated_at: upload.now })
    .where('id', '=', id)
    .where('status', '=', upload.from)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/** False: the image was deleted meanwhile. */
export async function finishUpload(
  db: Kysely<ImageTables>,
  id: string,
  uploadId: string,
  received: Received,
  now: number,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('images')
    .set({
      status: 'active',
      upload_id: null,
      size: received.sizeBytes,
      virtual_size: received.virtualSizeBytes,
      checksum: received.md5,
      os_hash_value: received.sha512,
      updated_at: now,
    })
    .where('id', '=', id)
    .where('upload_id', '=', uploadId)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

export async function abandonUpload(db: Kysely<ImageTables>, id: string, uploadId: string): Promise<void> {
  await db
    .updateTable('images')
    .set({ status: 'queued', upload_id: null })
    .where('id', '=', id)
    .where('upload_id', '=', uploadId)
    .execute()
}

/** After a restart: an upload that was cut by it can be sent again. */
export async function abandonAllUploads(db: Kysely<ImageTables>): Promise<void> {
  await db
    .updateTable('images')
    .set({ status: 'queued', upload_id: null })
    .where('status', 'in', ['saving', 'uploading', 'importing'])
    .execute()
}

export async function contentInUse(db: Kysely<ImageTables>, sha512: string): Promise<boolean> {
  const row = await db.selectFrom('images').select('id').where('os_hash_value', '=', sha512).limit(1).executeTakeFirst()
  return row !== undefined
}

export async function allContents(db: Kysely<ImageTables>): Promise<ReadonlySet<string>> {
  const rows = await db.selectFrom('images').select('os_hash_value').distinct().execute()
  return new Set(rows.flatMap(({ os_hash_value: hash }) => hash ?? []))
}
