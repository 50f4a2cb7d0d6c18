/** Where servers go, and who works for them: `[filter_scheduler]`, `[conductor]`. */
import { z } from 'zod'
import { decimal, list, optionalText, whole } from '../fields.ts'

export const filter_scheduler = z.strictObject({
  enabled_filters: list(
    [
      'ComputeFilter',
      'AvailabilityZoneFilter',
      'CoreFilter',
      'RamFilter',
      'DiskFilter',
      'ImagePropertiesFilter',
      'ServerGroupAntiAffinityFilter',
      'ServerGroupAffinityFilter',
      'SameHostFilter',
      'DifferentHostFilter',
      'SimpleCIDRAffinityFilter',
    ],
    'The filters a host must pass, in this order.',
  ),
  ram_weight_multiplier: decimal(
    1,
    'factor',
    'How much free memory counts; negative fills hosts up one after the other.',
    { min: -1e9 },
  ),
  cpu_weight_multiplier: decimal(1, 'factor', 'How much free vCPUs count.', { min: -1e9 }),
  disk_weight_multiplier: decimal(1, 'factor', 'How much free disk counts.', { min: -1e9 }),
  soft_affinity_weight_multiplier: decimal(
    1,
    'factor',
    'How much it counts that a host has servers of the same group, where the policy is soft-affinity.',
    { min: 0 },
  ),
  soft_anti_affinity_weight_multiplier: decimal(
    1,
    'factor',
    'How much it counts that a host has none of the same group, where the policy is soft-anti-affinity.',
    { min: 0 },
  ),
  image_properties_default_architecture: optionalText('The architecture of an image that names none.'),
})

export const conductor = z.strictObject({
  lease_seconds: whole(
    30,
    'seconds',
    'How long a conductor holds a task without a sign of life before another takes it up.',
    { min: 2 },
  ),
  max_running: whole(256, 'tasks', 'Tasks that one conductor runs at once.', { min: 1 }),
})
