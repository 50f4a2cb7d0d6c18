/** What guests see of the hardware that flavors and images ask for, on real QEMU: UEFI, disks, processors, serial ports, a watchdog. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test, type TestContext } from 'node:test'
import { diskOf, guestOf } from '../../src/virt/contract-values.ts'
import { loginPrompt } from '../../src/virt/contract/bed.ts'
import type { Driver, GuestSpec, ImageTicket } from '../../src/virt/driver.ts'
import { demoImage } from '../demo-image.ts'
import { type DriverBed, driverBed } from '../driver-bed.ts'
import { logIn } from '../guest-console.ts'

const local = { ephemeralsGb: [1], swapMb: 64 }

let host: DriverBed
let driver: Driver
let instancesDir = ''
let ticket: ImageTicket

before(async () => {
  host = await driverBed('e2e9', readFileSync(await demoImage()))
  ;({ driver, instancesDir, ticket } = host)
})
after(() => host?.close())

type Words = Readonly<Record<string, string>>
function specOf(t: TestContext, extraSpecs: Words, imageProperties: Words, more: Partial<GuestSpec> = {}): GuestSpec {
  const serverId = randomUUID()
  t.after(async () => {
    await driver.destroy(serverId)
    await driver.removeFiles(serverId)
    assert.equal(existsSync(join(instancesDir, serverId)), false, 'nothing is left of it')
  })
  const flavor = { id: '1', name: 'm1', vcpus: 2, memoryMb: 256, rootGb: 1, extraSpecs }
  return guestOf(serverId, { flavor, imageProperties, ...more })
}

/** What each command prints, as typed at the console. */
async function typed(spec: GuestSpec, commands: readonly string[]): Promise<readonly string[]> {
  const shell = await logIn(driver, spec.serverId)
  assert.ok(shell, 'the guest takes the password')
  const answers: string[] = []
  for (const command of commands) answers.push(await shell.type(command))
  await shell.end()
  return answers
}

test('a guest has the processors, disks and the watchdog that were asked for, and keeps them over a rebuild', async (t) => {
  const spec = specOf(
    t,
    {
      'hw:cpu_sockets': '1',
      'hw:cpu_cores': '2',
      'hw:watchdog_action': 'reset',
      'quota:disk_total_iops_sec': '10000',
    },
    {},
    { localDisks: local },
  )
  await driver.createDisk({ ...diskOf(spec.serverId, ticket), local })
  // Repeated, as after an answer that was lost.
  await driver.createDisk({ ...diskOf(spec.serverId, ticket), local })
  const files = readdirSync(join(instancesDir, spec.serverId)).toSorted()
  assert.deepEqual(files, ['disk', 'disk.eph0', 'disk.swap'])
  await driver.start(spec)
  const [cpus = '', disks = '', labels = '', devices = ''] = await typed(spec, [
    'grep -E "^(physical id|core id|cpu cores|siblings)" /proc/cpuinfo',
    'cat /proc/partitions',
    'sudo head -c 1160 /dev/vdb | tail -c 16; sudo tail -c +4087 /dev/vdc | head -c 10',
    'cat /sys/bus/pci/devices/*/uevent | grep PCI_ID',
  ])
  assert.match(cpus, /cpu cores\s*: 2/, 'two cores of one socket')
  assert.deepEqual(
    new Set(cpus.match(/physical id\s*: \d+/g)?.map((text) => text.replace(/\D/g, ''))),
    new Set(['0']),
    cpus,
  )
  assert.match(disks, /1048576 vdb\r?\n/, 'the ephemeral disk, in KiB')
  assert.match(disks, /65536 vdc\r?\n/, 'the swap disk')
  assert.match(labels, /ephemeral0/, 'a file system that is found by its label')
  assert.match(labels, /SWAPSPACE2/)
  assert.match(devices, /PCI_ID=8086:25AB/i, 'the watchdog is an i6300ESB')

  await driver.destroy(spec.serverId)
  await driver.setDisksAside(spec.serverId)
  await driver.createDisk({ ...diskOf(spec.serverId, ticket), local })
  const both = readdirSync(join(instancesDir, spec.serverId)).filter((name) => name.startsWith('disk'))
  assert.deepEqual(both.toSorted(), ['disk', 'disk.eph0', 'disk.eph0.old', 'disk.old', 'disk.swap', 'disk.swap.old'])
  await driver.dropDisksAside(spec.serverId)
  await driver.start(spec)
  await loginPrompt(driver, spec.serverId)
})

test('a guest has two serial ports, and its console is the first', async (t) => {
  const spec = specOf(t, { 'hw:serial_port_count': '2' }, {})
  await driver.createDisk(diskOf(spec.serverId, ticket))
  await driver.start(spec)
  const [ports = ''] = await typed(spec, ['sudo cat /proc/tty/driver/serial'])
  assert.match(ports, /0: uart:16550A port:000003F8[^]*1: uart:16550A port:000002F8/)
})

test('a guest boots from virtio-scsi', async (t) => {
  const spec = specOf(t, {}, { hw_disk_bus: 'scsi', hw_scsi_model: 'virtio-scsi' })
  await driver.createDisk(diskOf(spec.serverId, ticket))
  await driver.start(spec)
  const [disks = ''] = await typed(spec, ['cat /proc/partitions'])
  assert.match(disks, /1048576 sda\r?\n/)
})

test('a guest without its local disk does not start', async (t) => {
  const spec = specOf(t, {}, {}, { localDisks: local })
  await driver.createDisk(diskOf(spec.serverId, ticket))
  await assert.rejects(driver.start(spec), { name: 'DiskMissing' })
})

test('UEFI starts with a memory of the guest’s own, which outlives its definition and goes with its files', async (t) => {
  const spec = specOf(t, {}, { hw_firmware_type: 'uefi' })
  await driver.createDisk(diskOf(spec.serverId, ticket))
  await driver.start(spec)
  const nvram = join(instancesDir, spec.serverId, 'nvram.fd')
  const { uid, mode, size } = statSync(nvram)
  assert.ok(uid >= 0x7000_0000, 'it is the guest’s')
  assert.equal(mode & 0o077, 0, 'and nobody else’s')
  assert.ok(size > 0)
  await firmwareSpeaks(spec.serverId)
  await driver.destroy(spec.serverId)
  assert.ok(existsSync(nvram), 'a hard reboot finds it again')
  await driver.start(spec)
  assert.equal(await driver.powerState(spec.serverId), 'running')
})

test('secure boot starts, with the keys enrolled', async (t) => {
  const spec = specOf(t, { 'os:secure_boot': 'required' }, { hw_firmware_type: 'uefi' })
  await driver.createDisk(diskOf(spec.serverId, ticket))
  await driver.start(spec)
  await firmwareSpeaks(spec.serverId)
  const commandLine = qemuOf(spec.serverId)
  assert.match(commandLine, /OVMF_CODE_4M\.ms\.fd/)
  assert.match(commandLine, /smm=on/)
})

test('the host offers what is installed', async () => {
  const { hardware } = await driver.report()
  assert.deepEqual(hardware?.features, ['uefi', 'secureBoot', 'nicQuotas'])
})

for (const [what, extraSpecs, properties] of [
  [
    'virtio input, sound, video memory',
    { 'hw_video:ram_max_mb': '32' },
    { hw_input_bus: 'virtio', hw_sound_model: 'ich9', hw_video_model: 'vga', hw_video_ram: '32' },
  ],
  ['an old machine', {}, { hw_machine_type: 'pc', hw_disk_bus: 'ide', hw_cdrom_bus: 'ide' }],
  [
    'packed virtqueues, a pmu that is off, hpet',
    { 'hw:virtio_packed_ring': 'true', 'hw:pmu': 'false' },
    { hw_time_hpet: 'yes' },
  ],
  ['windows', { 'hw:hide_hypervisor_id': 'true' }, { os_type: 'windows' }],
  ['a random number generator in measure', { 'hw_rng:rate_bytes': '1024', 'hw_rng:rate_period': '1000' }, {}],
  ['lsilogic', {}, { hw_disk_bus: 'scsi', hw_scsi_model: 'lsilogic' }],
  [
    'all disk quotas',
    {
      'quota:disk_read_bytes_sec': '10485760',
      'quota:disk_write_bytes_sec': '10485760',
      'quota:disk_read_iops_sec': '500',
      'quota:disk_write_iops_sec': '500',
    },
    {},
  ],
] as const)
  test(`QEMU takes it: ${what}`, async (t) => {
    const spec = specOf(t, extraSpecs, properties)
    await driver.createDisk(diskOf(spec.serverId, ticket))
    await driver.start(spec)
    assert.equal(await driver.powerState(spec.serverId), 'running')
  })

/** The firmware writes to the first serial port, too; without a disk that it can boot from it says so. */
async function firmwareSpeaks(serverId: string): Promise<void> {
  const until = Date.now() + 120_000
  for (;;) {
    const text = await driver.consoleOutput(serverId, 65_536)
    if (/BdsDxe|UEFI|Shell>|login: /.test(text)) return
    if (Date.now() > until) throw new Error(`the firmware says nothing: ${text}`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

/** Its command line. */
function qemuOf(serverId: string): string {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const file = `/proc/${pid}/cmdline`
    const text = existsSync(file) ? execFileSync('cat', [file], { encoding: 'latin1' }) : ''
    if (text.includes(`\0${serverId}\0`)) return text.replaceAll('\0', ' ')
  }
  throw new Error(`no QEMU of ${serverId}`)
}
