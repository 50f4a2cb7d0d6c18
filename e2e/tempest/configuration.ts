// tempest.conf: where the cloud is, and what of it is to be tried. What is switched off here is what no cloud of ours has.
import type { CloudUnderTest } from './cloud-under-test.ts'

/** `folder` is tempest's workspace. */
export function configuration(
  cloud: CloudUnderTest,
  folder: string,
  features: { readonly changePassword: boolean; readonly hosts: number },
): string {
  const [image, other] = cloud.images
  const sections: Readonly<Record<string, Readonly<Record<string, string | number | boolean>>>> = {
    DEFAULT: { log_dir: folder, log_file: 'tempest.log', debug: true, use_stderr: false },
    oslo_concurrency: { lock_path: `${folder}/locks` },
    auth: {
      admin_username: cloud.username,
      admin_password: cloud.password,
      admin_project_name: cloud.project,
      admin_domain_name: 'Default',
      tempest_roles: 'member',
    },
    identity: { uri_v3: cloud.authUrl, auth_version: 'v3', region: 'RegionOne', v3_endpoint_type: 'public' },
    compute: {
      image_ref: image,
      image_ref_alt: other,
      flavor_ref: 42,
      flavor_ref_alt: 84,
      build_interval: 1,
      build_timeout: 120,
      max_microversion: cloud.latestMicroversion,
      min_compute_nodes: features.hosts,
    },
    'compute-feature-enabled': {
      resize: true,
      cold_migration: true,
      live_migration: false,
      change_password: features.changePassword,
      personality: true,
      snapshot: true,
      rescue: true,
      stable_rescue: true,
      vnc_console: true,
      serial_console: true,
      console_output: true,
      interface_attach: true,
      config_drive: true,
      scheduler_enabled_filters: 'all',
      hostname_fqdn_sanitization: true,
      // Its name is old: what it switches on for the most part is that metadata of a server may be changed.
      xenapi_apis: true,
      attach_encrypted_volume: false,
      volume_multiattach: false,
    },
    // A look into guests needs guests.
    validation: { run_validation: false },
    network: {
      public_network_id: cloud.publicNetworkId,
      floating_network_name: 'public',
      project_network_cidr: '10.100.0.0/16',
      build_interval: 1,
      build_timeout: 60,
    },
    'network-feature-enabled': { ipv6: true, floating_ips: true },
    image: { build_timeout: 60, http_image: cloud.authUrl },
    service_available: {
      cinder: cloud.hasVolumes,
      glance: true,
      nova: true,
      neutron: true,
      swift: false,
      horizon: false,
    },
  }
  return Object.entries(sections)
    .map(([name, options]) => {
      const lines = Object.entries(options).map(([key, value]) => `${key} = ${value}\n`)
      return `[${name}]\n${lines.join('')}`
    })
    .join('\n')
}
