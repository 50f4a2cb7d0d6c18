/** Every option there is, by section, under OpenStack's names where they exist. Read once at start; docs/configuration.md is made from it. */
import { hostname } from 'node:os'
import { loadConfig, type Config } from '@kilonova/base/config.ts'
import { DEFAULT_LIMITS, type Limits } from '@kilonova/disk-image/finding.ts'
import { z } from 'zod'
import { choice, decimal, flag, list, optionalText, port, secret, text, whole } from './fields.ts'

/** As domain/audit-period.ts reads it. */
const AUDIT_PERIOD = /^(hour(@[0-5]?\d)?|day(@(1?\d|2[0-3]))?|month(@(1?\d|2[0-8]))?|year(@(\d|1[0-2]))?)$/

const DEFAULT = z.strictObject({
  debug: flag(false, 'Log every step and every request, and stack traces with errors.'),
  use_json: flag(false, 'Write log lines as JSON instead of as text.'),
  host: text(
    hostname(),
    'The name of this host: of its compute service and of its place in the scheduler. It must not change while servers live here.',
  ).meta({ shown: 'the name of the machine' }),
  my_ip: text('127.0.0.1', 'The address of this host as other hosts reach it.'),
  state_path: text('/var/lib/kilonova', 'The folder of all state: instances/, log/, the SQLite database.'),
  compute_driver: choice(
    ['libvirt.LibvirtDriver', 'fake.FakeDriver'],
    'libvirt.LibvirtDriver',
    'What runs the guests. The fake one keeps them in memory: for scale and for tests.',
  ),
  osapi_compute_listen: text('127.0.0.1', 'The address on which the Compute API listens.'),
  osapi_compute_listen_port: port(8774, 'The port of the Compute API.'),
  metadata_listen: text('127.0.0.1', 'The address on which the metadata service listens.'),
  metadata_listen_port: port(8775, 'The port of the metadata service.'),
  ssl_cert_file: optionalText(
    'Certificate chain (PEM) of all services of this process; with ssl_key_file they speak HTTPS. Read again on SIGHUP.',
  ),
  ssl_key_file: optionalText('Private key (PEM) that belongs to ssl_cert_file.'),
  report_interval: whole(10, 'seconds', 'How often a host says that it is alive.', { min: 1 }),
  service_down_time: whole(60, 'seconds', 'A host that was silent for longer counts as down.', { min: 1 }),
  sync_power_state_interval: whole(
    600,
    'seconds',
    'How often a host compares the power of its guests with what is recorded.',
    { min: 1 },
  ),
  reclaim_instance_interval: whole(
    0,
    'seconds',
    'How long a deleted server can be restored: its guest is off until then, and everything else of it stays. 0: it is gone at once.',
  ),
  default_ephemeral_format: choice(
    ['ext4', 'ext3', 'ext2'],
    'ext4',
    'The file system of new ephemeral disks. An image with os_type=windows gets them unformatted.',
  ),
  instance_build_timeout: whole(
    0,
    'seconds',
    'A server that is being made for longer is given up: what was made of it is undone, and it ends in ERROR. 0: never.',
  ),
  running_deleted_instance_action: choice(
    ['reap', 'shutdown', 'log', 'noop'],
    'reap',
    'What becomes of a guest that runs although its server was deleted or lives elsewhere: it is removed, switched off, or told in the log.',
  ),
  running_deleted_instance_timeout: whole(
    0,
    'seconds',
    'For how long a guest must have been seen to be over before something is done about it. It is looked for every sync_power_state_interval, and two looks must agree.',
  ),
  shutdown_timeout: whole(
    60,
    'seconds',
    'How long a guest has to shut down before its power is taken. An image may ask for another time by os_shutdown_timeout.',
  ),
  rescue_timeout: whole(0, 'seconds', 'A server that is in rescue for so long is unrescued; 0: never.'),
  shelved_offload_time: whole(
    0,
    'seconds',
    'How long a shelved server stays on its host; 0: it is offloaded at once, -1: only when an administrator asks for it.',
    { min: -1 },
  ),
  shelved_poll_interval: whole(3600, 'seconds', 'How often shelved servers whose time is over are looked for.', {
    min: 1,
  }),
  reboot_timeout: whole(
    120,
    'seconds',
    'How long a guest has to restart by itself in a soft reboot before it is reset.',
  ),
  cpu_allocation_ratio: decimal(
    4,
    'virtual per physical CPU',
    'How many vCPUs may be promised for each CPU of a host.',
  ),
  ram_allocation_ratio: decimal(1, 'promised per present', 'How much memory may be promised for what a host has.'),
  disk_allocation_ratio: decimal(1, 'promised per present', 'How much disk may be promised for what a host has.'),
  reserved_host_memory_mb: whole(512, 'MiB', 'Memory of a host that is kept for the host itself.'),
  reserved_host_disk_mb: whole(0, 'MiB', 'Disk of a host that is kept for the host itself.'),
  config_drive_format: choice(
    ['iso9660', 'vfat'],
    'iso9660',
    'What a new config drive is: a CD-ROM, or a disk of 64 MiB. Upstream calls vfat deprecated.',
  ),
  force_config_drive: flag(false, 'Give every new server a config drive, whether it asks for one or not.'),
  default_availability_zone: text('nova', 'The zone of a new host.'),
  instance_usage_audit: flag(
    false,
    'After each audit period count the servers that every host had in it, and write a line of the log for each: os-instance_usage_audit_log.',
  ),
  instance_usage_audit_period: z
    .string()
    .regex(AUDIT_PERIOD, 'must be hour, day, month or year, perhaps with an offset: day@18')
    .default('month')
    .describe(
      'How long an audit period is: hour, day, month or year, begun later with an offset (`day@18`, `month@15`).',
    ),
  default_schedule_zone: optionalText('The zone of a server that asks for none; without it any zone will do.'),
})

const api = z.strictObject({
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

const database = z.strictObject({
  connection: optionalText(
    'sqlite:<file> or postgresql://user:password@host/name; without it kilonova.sqlite in state_path.',
  ),
  synchronous: choice(
    ['normal', 'full'],
    'normal',
    'SQLite only: full also survives a power loss, normal any death of our processes.',
  ),
})

const credentials = {
  auth_url: text('http://127.0.0.1:5000', 'The identity service.'),
  username: text('nova', 'Who we are to the other services.'),
  password: secret('Our password.'),
  project_name: text('service', 'The project that our token is for.'),
  user_domain_name: text('default', 'The domain of our user.'),
  project_domain_name: text('default', 'The domain of our project.'),
  region_name: optionalText('The region whose endpoints are taken from the catalog; without it the first of any.'),
  valid_interfaces: choice(['internal', 'public', 'admin'], 'public', 'Which endpoints are taken from the catalog.'),
}

const keystone_authtoken = z.strictObject({
  ...credentials,
  www_authenticate_uri: optionalText('The identity service as users reach it, told in a 401; without it auth_url.'),
  cafile: optionalText(
    'Authorities (PEM) by which the identity, image and network services are believed, beside those that the machine knows.',
  ),
})
const glance = z.strictObject({
  endpoint_override: optionalText('The image service, instead of what the catalog says.'),
})
const neutron = z.strictObject({
  default_floating_pool: text(
    'nova',
    'The external network that floating IPs come from when the Compute API is asked for one without naming it.',
  ),
  endpoint_override: optionalText('The network service, instead of what the catalog says.'),
  service_metadata_proxy: flag(
    false,
    "Believe the network service's own proxies, which prove themselves by the shared secret. Our hosts' proxies are always believed.",
  ),
  metadata_proxy_shared_secret: secret("The secret of the network service's metadata proxies."),
})
const oslo_policy = z.strictObject({
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
const vendordata_dynamic_auth = z.strictObject({
  ...credentials,
  auth_url: optionalText('The identity service. Without it the services of DynamicJSON get no token.'),
})

const filter_scheduler = z.strictObject({
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

const limit = (fallback: number, what: string) =>
  whole(fallback, 'per project', `${what}; -1 is unlimited. Projects may have limits of their own.`, { min: -1 })
const quota = z.strictObject({
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

const conductor = z.strictObject({
  lease_seconds: whole(
    30,
    'seconds',
    'How long a conductor holds a task without a sign of life before another takes it up.',
    { min: 2 },
  ),
  max_running: whole(256, 'tasks', 'Tasks that one conductor runs at once.', { min: 1 }),
})

const libvirt = z.strictObject({
  device_detach_attempts: whole(8, 'times', 'How often a guest that runs is asked to let go of a device.', { min: 1 }),
  device_detach_timeout: whole(20, 'seconds', 'How long it is waited each time until the guest has let go.', {
    min: 1,
  }),
  virt_type: choice(
    ['auto', 'kvm', 'qemu'],
    'auto',
    'auto boots a tiny guest to find out whether KVM truly works and takes emulation where it does not.',
  ),
  rescue_image_id: optionalText(
    'The image that servers are rescued with when none is asked for; without it their own.',
  ),
  cpu_mode: z
    .enum(['host-model', 'host-passthrough', 'custom', 'maximum'])
    .optional()
    .describe(
      "The processor that guests see. Without it the host's model where KVM runs them, and one that every distribution runs on (Nehalem) where they are emulated.",
    ),
  cpu_models: list([], 'With cpu_mode custom: the model, as libvirt names it. Of several the first.'),
  cpu_model_extra_flags: z
    .array(z.string().regex(/^[+-]?[\w.-]+$/, 'must be names of features, perhaps with + or - before them'))
    .default([])
    .describe('Features that the processor has besides (`+pcid` or `pcid`), or has not (`-vmx`).'),
  hw_machine_type: z
    .array(z.string().regex(/^\w+=[\w.-]+$/, 'must be architecture=machine'))
    .default([])
    .describe('The machine of guests whose image names none, as `x86_64=pc`. Without it q35.'),
  disk_cachemodes: z
    .array(
      z
        .string()
        .regex(
          /^(file|block|network|mount)=(default|none|writethrough|writeback|directsync|unsafe)$/,
          'must be file=mode',
        ),
    )
    .default([])
    .describe(
      'How the host caches disks, as `file=writeback`; disks are files here, other kinds have no effect. Without it none where the file system can, else writeback.',
    ),
  hw_disk_discard: choice(
    ['unmap', 'ignore'],
    'unmap',
    'Whether what guests discard becomes free space of the host. Upstream leaves it to QEMU.',
  ),
  num_pcie_ports: whole(
    16,
    'ports',
    'PCIe ports of a q35 guest: what is plugged in while it runs needs a free one. 0: as many as libvirt finds enough. Upstream: 0.',
    { max: 28 },
  ),
  rng_dev_path: text('/dev/urandom', "Where guests' random numbers come from."),
  sysinfo_serial: choice(
    ['unique', 'none'],
    'unique',
    "The serial number that a guest's firmware tells: the server's id, or none.",
  ),
})

const compute = z.strictObject({
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

const image_companion = z.strictObject({
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

const image_cache = z.strictObject({
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

const guest_networks = z.strictObject({
  reach_beyond_host: flag(
    false,
    'Guests of external networks (also over a router) and of networks that the host routes reach what the host reaches, under its addresses; the host then forwards packets (net.ipv4.ip_forward). They reach nothing that the host itself serves.',
  ),
})

const vnc = z.strictObject({
  enabled: flag(true, 'Let users open the screens of their servers; every guest has one, whatever stands here.'),
  novncproxy_base_url: text(
    'http://127.0.0.1:6080/vnc_auto.html',
    'Where users find the proxy, as their browsers reach it: the beginning of the URLs that they are given.',
  ),
  novncproxy_host: text('127.0.0.1', 'The address on which it listens.'),
  novncproxy_port: port(6080, 'Its port.'),
})

const serial_console = z.strictObject({
  enabled: flag(true, 'The same for serial consoles. Upstream: false.'),
  base_url: text('ws://127.0.0.1:6083/', 'Where users find the proxy of serial consoles.'),
  serialproxy_host: text('127.0.0.1', 'The address on which it listens.'),
  serialproxy_port: port(6083, 'Its port.'),
})

const consoleauth = z.strictObject({
  token_ttl: whole(600, 'seconds', 'How long the URL of a console can be opened.', { min: 1 }),
  enforce_session_timeout: flag(false, 'End what was opened then, too.'),
})

const console = z.strictObject({
  allowed_origins: list(
    [],
    'Names of hosts whose pages may open consoles, beside the one that the proxy itself is reached at.',
  ),
  ssl_ciphers: optionalText("Ciphers of the proxies' TLS, as OpenSSL writes them; without it those that Node takes."),
  ssl_minimum_version: choice(
    ['default', 'tlsv1_1', 'tlsv1_2', 'tlsv1_3'],
    'default',
    'The oldest TLS that the proxies speak; default is what Node does.',
  ),
})

export const SECTIONS = {
  DEFAULT,
  api,
  database,
  keystone_authtoken,
  glance,
  neutron,
  filter_scheduler,
  quota,
  conductor,
  libvirt,
  compute,
  image_cache,
  guest_networks,
  image_companion,
  vnc,
  serial_console,
  consoleauth,
  console,
  oslo_policy,
  vendordata_dynamic_auth,
}
export type KilonovaConfig = Config<typeof SECTIONS>
export type Overrides = Readonly<Record<string, Readonly<Record<string, unknown>>>>

/** `ini` is the text of a configuration file; overrides win. Errors: ConfigError that names section, option and place. */
export const readConfig = (ini = '', overrides: Overrides = {}, source?: string): KilonovaConfig =>
  loadConfig(SECTIONS, ini, overrides, source)

/** What a disk image may say of itself. */
export const imageLimits = ({ compute }: KilonovaConfig): Limits => ({
  maxVirtualBytes: compute.image_max_virtual_size_gb * 1024 ** 3,
  vmdkTypes: compute.vmdk_allowed_types,
})
