/** The security groups of a server's ports, in the shape they had before the network service kept them. */
import type { SecurityGroup } from '../../clients/neutron.ts'
import { get, view } from '../resource.ts'
import { serverTarget } from './server-target.ts'

type Rule = SecurityGroup['rules'][number]

const rule = (group: SecurityGroup, names: ReadonlyMap<string, string>) => (each: Rule) => ({
  id: each.id,
  parent_group_id: group.id,
  ip_protocol: each.protocol,
  from_port: each.portMin ?? (each.protocol === null ? null : -1),
  to_port: each.portMax ?? (each.protocol === null ? null : -1),
  ip_range:
    each.remotePrefix === null
      ? each.remoteGroupId === null
        ? { cidr: each.version === 6 ? '::/0' : '0.0.0.0/0' }
        : {}
      : { cidr: each.remotePrefix },
  group:
    each.remoteGroupId === null
      ? {}
      : { name: names.get(each.remoteGroupId) ?? each.remoteGroupId, tenant_id: group.projectId },
})

interface Seen {
  readonly group: SecurityGroup
  readonly names: ReadonlyMap<string, string>
}
const shown = view<Seen>({
  id: ({ group }) => group.id,
  name: ({ group }) => group.name,
  description: ({ group }) => group.description,
  tenant_id: ({ group }) => group.projectId,
  rules: ({ group, names }) => group.rules.filter(({ direction }) => direction === 'ingress').map(rule(group, names)),
})

export const serverSecurityGroups = [
  get('/servers/:id/os-security-groups', {
    policy: 'os_compute_api:os-security-groups:list',
    target: serverTarget,
    run: async ({ neutron }, { target }): Promise<readonly Seen[]> => {
      const ids = new Set((await neutron.portsOf(target)).flatMap(({ securityGroups }) => securityGroups))
      const groups = ids.size === 0 ? [] : await neutron.groups([...ids])
      const names = new Map(groups.map(({ id, name }) => [id, name]))
      return groups.map((group) => ({ group, names }))
    },
    view: (all, at) => ({ security_groups: all.map((each) => shown(each, at)) }),
  }),
]
