/** `/`, `/v2.0` and what clients ask about the service: its extensions, quotas, and nouns of which there are none here. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { notFound } from '../../openstack/fault.ts'
import { publicUrl } from '../../openstack/service.ts'
import { withCaller } from '../../openstack/token-check.ts'
import type { NetworkContext } from '../context.ts'
import { ZONE } from '../views.ts'

const UPDATED = '2026-01-01T00:00:00-00:00'
const EXTENSIONS: Readonly<Record<string, string>> = {
  'allowed-address-pairs': 'Allowed Address Pairs',
  availability_zone: 'Availability Zone',
  binding: 'Port Binding',
  'dns-integration': 'DNS Integration',
  'ext-gw-mode': 'Neutron L3 configurable external gateway mode',
  'external-net': 'Neutron external network',
  extra_dhcp_opt: 'Neutron Extra DHCP options',
  extraroute: 'Neutron Extra Route',
  'extraroute-atomic': 'Atomically add/remove extra routes',
  'fip-port-details': 'Add port_details to Floating IP',
  'kilonova-changes': 'Kilonova: what hosts have to apply, by long poll',
  'net-mtu': 'Network MTU',
  'net-mtu-writable': 'Network MTU (writable)',
  network_availability_zone: 'Network Availability Zone',
  'network-ip-availability': 'Network IP Availability',
  pagination: 'Pagination support',
  'port-security': 'Port Security',
  'project-id': 'project_id field enabled',
  provider: 'Provider Network',
  quota_details: 'Quota details management support',
  quotas: 'Quota management support',
  'revision-if-match': 'If-Match constraints based on revision_number',
  'security-group': 'security-group',
  router: 'Neutron L3 Router',
  router_availability_zone: 'Router Availability Zone',
  sorting: 'Sorting support',
  'tag-ports-during-bulk-creation': 'Tag Ports During Bulk Creation',
  'stateful-security-group': 'Stateful security group',
  'standard-attr-description': 'standard-attr-description',
  'standard-attr-revisions': 'Resource revision numbers',
  'standard-attr-tag': 'Tag support for resources with standard attribute',
  'standard-attr-timestamp': 'Resource timestamps',
}
const extension = (alias: string) => ({
  alias,
  name: EXTENSIONS[alias],
  description: EXTENSIONS[alias],
  updated: UPDATED,
  links: [],
})

const NOUNS = ['network', 'subnet', 'port', 'security_group', 'security_group_rule', 'router', 'floatingip']
/** Of what there are none, and that clients list all the same. */
const EMPTY = ['agents']

const version = (request: FastifyRequest) => ({
  id: 'v2.0',
  status: 'CURRENT',
  links: [{ rel: 'self', href: `${publicUrl(request)}/v2.0/` }],
})

export function versionRoutes(app: FastifyInstance, { check }: NetworkContext): void {
  app.get('/', (request, reply) => reply.send({ versions: [version(request)] }))
  app.get('/v2.0', (request, reply) =>
    reply.send({
      resources: NOUNS.map((name) => {
        const collection = `${name}s`
        return {
          name,
          collection,
          links: [{ rel: 'self', href: `${publicUrl(request)}/v2.0/${collection.replaceAll('_', '-')}` }],
        }
      }),
    }),
  )
  app.get(
    '/v2.0/extensions',
    withCaller(check, () => ({ extensions: Object.keys(EXTENSIONS).map(extension) })),
  )
  app.get(
    '/v2.0/extensions/:alias',
    withCaller(check, (_caller, request) => {
      const { alias } = request.params as { alias: string }
      if (!Object.hasOwn(EXTENSIONS, alias))
        throw notFound(`Extension with alias ${alias} does not exist`, 'ExtensionNotFound')
      return { extension: extension(alias) }
    }),
  )
  app.get(
    '/v2.0/availability_zones',
    withCaller(check, () => ({
      availability_zones: ['network', 'router'].map((resource) => ({ name: ZONE, resource, state: 'available' })),
    })),
  )
  for (const name of EMPTY) {
    app.get(
      `/v2.0/${name}`,
      withCaller(check, () => ({ [name]: [] })),
    )
    app.get(
      `/v2.0/${name}/:id`,
      withCaller(check, (_caller, request) => {
        throw notFound(`There is no ${name.replace(/s$/, '')} ${(request.params as { id: string }).id}.`)
      }),
    )
  }
}
