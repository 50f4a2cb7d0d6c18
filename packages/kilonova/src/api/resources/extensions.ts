/** Extensions: what old clients ask for before they use a part of the API. Microversions took their place; only parts that are served are named. */
import { notFound } from '../faults.ts'
import { get } from '../resource.ts'

const NAMES: Readonly<Record<string, string>> = {
  'os-availability-zone': 'AvailabilityZone',
  'os-attach-interfaces': 'AttachInterfaces',
  'os-config-drive': 'ConfigDrive',
  'os-console-output': 'ConsoleOutput',
  'os-extended-server-attributes': 'ExtendedServerAttributes',
  'os-extended-status': 'ExtendedStatus',
  'os-flavor-access': 'FlavorAccess',
  'os-flavor-extra-specs': 'FlavorExtraSpecs',
  'os-flavor-manage': 'FlavorManage',
  'os-hypervisors': 'Hypervisors',
  'os-instance-actions': 'InstanceActions',
  'os-keypairs': 'Keypairs',
  'os-multiple-create': 'MultipleCreate',
  'os-server-external-events': 'ServerExternalEvents',
  'os-server-start-stop': 'ServerStartStop',
  'os-services': 'Services',
  'os-used-limits': 'UsedLimits',
  'os-user-data': 'UserData',
}

const extension = (alias: string) => ({
  alias,
  name: NAMES[alias] ?? alias,
  description: '',
  links: [],
  namespace: 'http://docs.openstack.org/compute/ext/fake_xml',
  updated: '2014-12-03T00:00:00Z',
})

export const extensions = [
  get('/extensions', {
    policy: 'os_compute_api:extensions',
    run: async () => Object.keys(NAMES),
    view: (aliases) => ({ extensions: aliases.map(extension) }),
  }),
  get('/extensions/:alias', {
    policy: 'os_compute_api:extensions',
    run: async ({ params }) => {
      const alias = params['alias'] ?? ''
      if (!Object.hasOwn(NAMES, alias)) throw notFound()
      return alias
    },
    view: (alias) => ({ extension: extension(alias) }),
  }),
]
