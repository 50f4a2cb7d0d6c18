/** The configuration of our own libvirtd. Pure: file name to content. */

export interface LibvirtdFacts {
  readonly hostUuid: string
}

export const configFiles = ({ hostUuid }: LibvirtdFacts): Readonly<Record<string, string>> => ({
  'libvirtd.conf': lines({
    host_uuid: hostUuid,
    listen_tls: 0,
    listen_tcp: 0,
    auth_unix_ro: 'none',
    auth_unix_rw: 'none',
    // The socket lies in a folder that only its owner may enter.
    unix_sock_ro_perms: '0700',
    unix_sock_rw_perms: '0700',
    log_outputs: '2:file:/var/log/libvirt/libvirtd.log',
    max_clients: 5000,
    max_client_requests: 64,
  }),
  'virtlogd.conf': lines({
    log_outputs: '2:file:/var/log/libvirt/virtlogd.log',
    // A guest may write to its console for ever: one file of this size and one before it are kept.
    max_size: 1024 * 1024,
    max_backups: 1,
  }),
  'qemu.conf': lines({
    // Of what runs no guest, the look at what QEMU can do. Each guest names a user of its own (guest-user.ts), to whom
    // libvirt gives the guest's files while it runs.
    user: 'root',
    group: 'root',
    dynamic_ownership: 1,
    remember_owner: 0,
    security_driver: 'none',
    seccomp_sandbox: 1,
    namespaces: [],
    cgroup_controllers: [],
    stdio_handler: 'logd',
    vnc_listen: '127.0.0.1',
    max_core: 0,
  }),
})

const lines = (options: Readonly<Record<string, string | number | readonly never[]>>): string =>
  Object.entries(options)
    .map(
      ([name, value]) =>
        `${name} = ${Array.isArray(value) ? '[ ]' : typeof value === 'string' ? `"${value}"` : value}\n`,
    )
    .join('')
