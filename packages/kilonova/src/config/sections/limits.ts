/** Who may what, and how much of it: `[oslo_policy]`, `[quota]`. */
import { z } from 'zod'
import { flag, list, optionalText, whole } from '../fields.ts'

export const oslo_policy = z.strictObject({
  policy_file: optionalText(
    'Rules instead of the defaults, as YAML (docs/security.md). A relative path begins at the folder of the configuration file, or else at state_path. Without it policy.yaml there, if there is one.',
  ),
  policy_dirs: list(
    ['policy.d'],
    'Folders of more such files, which come over the first, in the order of their names.',
  ),
  enforce_scope: flag(
    true,
    'For the same option of Nova: the API takes tokens of a project alone, whatever stands here.',
  ),
  enforce_new_defaults: flag(
    true,
    'Without it the rules of former releases are enough, too: whoever has any role in a project may do what its members may.',
  ),
})

const limit = (fallback: number, what: string) =>
  whole(fallback, 'per project', `${what}; -1 is unlimited. Projects may have limits of their own.`, { min: -1 })

export const quota = z.strictObject({
  instances: limit(10, 'Servers'),
  cores: limit(20, 'vCPUs of all servers'),
  ram: limit(51_200, 'MiB of memory of all servers'),
  metadata_items: limit(128, 'Metadata items of one server'),
  injected_files: whole(5, 'files', 'Files that one create request may bring; -1 is unlimited.', { min: -1 }),
  injected_file_content_bytes: whole(10_240, 'bytes', 'Content of one such file, in base64; -1 is unlimited.', {
    min: -1,
  }),
  injected_file_path_length: whole(255, 'letters', 'Path of one such file; -1 is unlimited.', { min: -1 }),
  key_pairs: limit(100, 'Key pairs of one user'),
  server_groups: limit(10, 'Server groups'),
  server_group_members: limit(10, 'Servers in one server group'),
})
