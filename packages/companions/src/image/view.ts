/** How an image looks on the wire: its own properties lie beside Glance's. */
import { isoSeconds } from '@kilonova/base/clock.ts'
import { strings } from '../openstack/json-column.ts'
import type { Image } from './store/images.ts'

export const imageView = (image: Image): Record<string, unknown> => ({
  ...(JSON.parse(image.properties) as Record<string, string>),
  id: image.id,
  name: image.name,
  status: image.status,
  visibility: image.visibility,
  owner: image.owner,
  protected: image.protected === 1,
  os_hidden: image.os_hidden === 1,
  disk_format: image.disk_format,
  container_format: image.container_format,
  min_disk: image.min_disk,
  min_ram: image.min_ram,
  size: image.size,
  virtual_size: image.virtual_size,
  checksum: image.checksum,
  os_hash_algo: image.os_hash_value === null ? null : 'sha512',
  os_hash_value: image.os_hash_value,
  tags: strings(image.tags),
  created_at: isoSeconds(image.created_at),
  updated_at: isoSeconds(image.updated_at),
  self: `/v2/images/${image.id}`,
  file: `/v2/images/${image.id}/file`,
  schema: '/v2/schemas/image',
})
