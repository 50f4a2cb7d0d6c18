/** What holds for a whole process, and for the servers that it makes: `[DEFAULT]`. */
import { hostname } from 'node:os'
import { z } from 'zod'
import { choice, decimal, flag, optionalText, port, text, whole } from '../fields.ts'

const AUDIT_PERIOD = /^(hour(@[0-5]?\d)?|day(@(1?\d|2[0-3]))?|month(@(1?\d|2[0-8]))?|year(@(\d|1[0-2]))?)$/

export const DEFAULT = z.strictObject({
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
