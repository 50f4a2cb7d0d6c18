/** What the image service keeps of an image; its bytes are files. Booleans are 0 and 1, times are milliseconds. */
import type { Migrations } from '@kilonova/base/database/migrate.ts'

export interface ImageTables {
  images: {
    id: string
    name: string | null
    status: 'queued' | 'saving' | 'uploading' | 'importing' | 'active' | 'deactivated'
    visibility: string
    owner: string
    disk_format: string | null
    container_format: string | null
    min_disk: number
    min_ram: number
    protected: number
    os_hidden: number
    size: number | null
    virtual_size: number | null
    /** MD5, for old clients. */
    checksum: string | null
    /** SHA-512: also the name of the file with the bytes. */
    os_hash_value: string | null
    /** The upload that may finish this image: another one must not. */
    upload_id: string | null
    created_at: number
    updated_at: number
  }
  image_properties: { image_id: string; name: string; value: string }
  image_tags: { image_id: string; tag: string }
  image_members: {
    image_id: string
    member: string
    status: 'pending' | 'accepted' | 'rejected'
    created_at: number
    updated_at: number
  }
  /** Ids are never given again: who knew the old image must not be shown another one. */
  deleted_images: { id: string; deleted_at: number }
  image_tasks: {
    id: string
    image_id: string
    type: string
    status: 'pending' | 'processing' | 'success' | 'failure'
    owner: string
    user_id: string
    request_id: string
    /** JSON, as it was asked for. */
    input: string
    message: string
    created_at: number
    updated_at: number
    expires_at: number | null
  }
}

export const migrations: Migrations = {
  '0001-image': [
    `CREATE TABLE images (id TEXT PRIMARY KEY, name TEXT, status TEXT NOT NULL, visibility TEXT NOT NULL, owner TEXT NOT NULL,
      disk_format TEXT, container_format TEXT, min_disk INTEGER NOT NULL, min_ram INTEGER NOT NULL, protected INTEGER NOT NULL,
      os_hidden INTEGER NOT NULL, size BIGINT, virtual_size BIGINT, checksum TEXT, os_hash_value TEXT, upload_id TEXT,
      created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL)`,
    `CREATE INDEX images_owner ON images (owner)`,
    `CREATE INDEX images_hash ON images (os_hash_value)`,
    `CREATE INDEX images_created_at ON images (created_at, id)`,
    `CREATE TABLE image_properties (image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE, name TEXT NOT NULL,
      value TEXT NOT NULL, PRIMARY KEY (image_id, name))`,
    `CREATE TABLE image_tags (image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE, tag TEXT NOT NULL,
      PRIMARY KEY (image_id, tag))`,
    `CREATE TABLE image_members (image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE, member TEXT NOT NULL,
      status TEXT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, PRIMARY KEY (image_id, member))`,
  ],
  '0002-imports': [
    `CREATE TABLE deleted_images (id TEXT PRIMARY KEY, deleted_at BIGINT NOT NULL)`,
    `CREATE TABLE image_tasks (id TEXT PRIMARY KEY, image_id TEXT NOT NULL, type TEXT NOT NULL, status TEXT NOT NULL, owner TEXT NOT NULL,
      user_id TEXT NOT NULL, request_id TEXT NOT NULL, input TEXT NOT NULL, message TEXT NOT NULL, created_at BIGINT NOT NULL,
      updated_at BIGINT NOT NULL, expires_at BIGINT)`,
    `CREATE INDEX image_tasks_image ON image_tasks (image_id)`,
  ],
}
