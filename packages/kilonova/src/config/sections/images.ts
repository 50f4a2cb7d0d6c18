/** Which images are taken, kept and fetched: `[compute]`, `[image_companion]`, `[image_cache]`. */
import { DEFAULT_LIMITS } from '@kilonova/disk-image/finding.ts'
import { z } from 'zod'
import { list, whole } from '../fields.ts'

export const compute = z.strictObject({
  vmdk_allowed_types: list(
    [...DEFAULT_LIMITS.vmdkTypes],
    'The kinds of vmdk that may be uploaded and run. Kinds whose data lie in other files never may.',
  ),
  image_max_virtual_size_gb: whole(
    DEFAULT_LIMITS.maxVirtualBytes / 1024 ** 3,
    'GiB',
    'An image whose disk says that it is larger is refused.',
    { min: 1, max: 1024 ** 2 },
  ),
})

export const image_companion = z.strictObject({
  image_count_total: whole(-1, 'images', 'How many images a project may have; -1 is unlimited.', { min: -1 }),
  image_size_total: whole(-1, 'MiB', 'How much data the images of a project may have together; -1 is unlimited.', {
    min: -1,
  }),
  allowed_hosts: list(
    [],
    'The hosts from which images may be imported by web-download, as they stand in the URL; none: there is no such import.',
  ),
  allowed_ports: z
    .array(z.string().regex(/^\d{1,5}$/, 'must be port numbers'))
    .default(['80', '443'])
    .describe('The ports from which they may be imported.'),
  allowed_private_networks: z
    .array(z.union([z.cidrv4(), z.cidrv6()]))
    .default([])
    .describe(
      'Networks (CIDR) from which they may be imported although their addresses are private: a mirror within the site.',
    ),
})

export const image_cache = z.strictObject({
  precache_concurrency: whole(
    1,
    'hosts',
    'How many hosts at once are brought the images that an aggregate is to have ahead of time.',
    {
      min: 1,
    },
  ),
  manager_interval: whole(2400, 'seconds', 'How often cached images that nobody uses are looked for.', { min: 1 }),
  remove_unused_original_minimum_age_seconds: whole(
    86_400,
    'seconds',
    'How long a cached image stays after its last use.',
  ),
})
