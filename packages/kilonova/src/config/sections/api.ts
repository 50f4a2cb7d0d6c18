/** The Compute API, and what guests are told: `[api]`. */
import { z } from 'zod'
import { flag, optionalText, text, whole } from '../fields.ts'

export const api = z.strictObject({
  max_limit: whole(1000, 'items', 'The most that one page of a list holds.', { min: 1, max: 100_000 }),
  max_request_body_size: whole(114_688, 'bytes', 'A larger request body is refused.', { min: 1024 }),
  dhcp_domain: text('novalocal', 'Stands behind the host name that a guest is told; empty: nothing does.'),
  metadata_cache_expiration: whole(
    15,
    'seconds',
    'How long the metadata service tells on what it read of a server; 0: it reads each time.',
  ),
  config_drive_skip_versions: text(
    '1.0 2007-01-19 2007-03-01 2007-08-29 2007-10-10 2007-12-15 2008-02-01 2008-09-01',
    'Versions of EC2 that config drives leave out, with blanks between them.',
  ),
  vendordata_providers: z
    .array(z.enum(['StaticJSON', 'DynamicJSON']))
    .default(['StaticJSON'])
    .describe('Where vendor data come from: a file, services that are asked about each server, or both.'),
  vendordata_jsonfile_path: optionalText('The JSON file of StaticJSON.'),
  vendordata_dynamic_targets: z
    .array(z.string().regex(/^[^@]+@https?:\/\/\S+$/, 'must be name@http(s)://...'))
    .default([])
    .describe('The services of DynamicJSON, each as name@url.'),
  vendordata_dynamic_ssl_certfile: optionalText(
    'Certificates (PEM) that prove those services, instead of the ones that the machine trusts.',
  ),
  vendordata_dynamic_connect_timeout: whole(5, 'seconds', 'How long such a service has to take the connection.', {
    min: 3,
  }),
  vendordata_dynamic_read_timeout: whole(5, 'seconds', 'How long it has to answer then.', { min: 1 }),
  vendordata_dynamic_failure_fatal: flag(
    false,
    'A service that fails is an error: of the request, or of making the config drive. Otherwise its answer is empty.',
  ),
})
