"""What a program does with networks by python3-openstacksdk: makes everything there is, reads it back, changes it, removes it.

The cloud is named by OS_CLIENT_CONFIG_FILE and OS_CLOUD. Ends with 0 and the word "done", or with what was wrong.
"""
import openstack
from openstack import exceptions

conn = openstack.connect()
net = conn.network


def refused(status, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except exceptions.HttpException as error:
        assert error.status_code == status, f'{error.status_code} instead of {status}: {error}'
        return str(error)
    raise AssertionError(f'{call.__name__} {args} {kwargs} should have been refused')


public = net.find_network('public', ignore_missing=False)
assert public.is_router_external and not public.is_shared
assert net.find_extension('router') and not net.find_extension('trunk')

network = net.create_network(name='sdk', mtu=1400)
assert network.mtu == 1400 and network.is_port_security_enabled
four = net.create_subnet(network_id=network.id, ip_version=4, cidr='10.77.0.0/24', name='four')
six = net.create_subnet(
    network_id=network.id, ip_version=6, cidr='fd77::/64', ipv6_ra_mode='slaac', ipv6_address_mode='slaac'
)
assert four.gateway_ip == '10.77.0.1'
assert sorted(net.get_network(network.id).subnet_ids) == sorted([four.id, six.id])
refused(400, net.create_subnet, network_id=network.id, ip_version=4, cidr='10.77.0.0/25')

group = net.create_security_group(name='sdk')
rule = net.create_security_group_rule(
    security_group_id=group.id, direction='ingress', protocol='tcp', port_range_min=22, port_range_max=22,
    remote_ip_prefix='192.0.2.0/24',
)
refused(
    409, net.create_security_group_rule, security_group_id=group.id, direction='ingress', protocol='6',
    port_range_min=22, port_range_max=22, remote_ip_prefix='192.0.2.0/24',
)
assert rule.id in [each.id for each in net.security_group_rules(security_group_id=group.id, direction='ingress')]

port = net.create_port(network_id=network.id, security_group_ids=[group.id], name='sdk')
assert len(port.fixed_ips) == 2 and port.security_group_ids == [group.id]
ports = list(net.create_ports([{'network_id': network.id, 'name': f'many-{index}'} for index in range(20)]))
assert len(ports) == 20
paged = list(net.ports(network_id=network.id, limit=7))
assert len(paged) == 21 and len({each.id for each in paged}) == 21
net.set_tags(port, ['a', 'b'])
assert [each.id for each in net.ports(tags='a,b')] == [port.id]
updated = net.update_port(port, allowed_address_pairs=[{'ip_address': '10.77.0.200'}], description='changed')
assert updated.allowed_address_pairs[0]['mac_address'] == port.mac_address
stale = net.get_port(port.id).revision_number - 1
refused(412, net.update_port, port, if_revision=stale, name='late')
refused(409, net.delete_security_group, group.id)

router = net.create_router(name='sdk', external_gateway_info={'network_id': public.id})
net.add_interface_to_router(router, subnet_id=four.id)
net.add_interface_to_router(router, subnet_id=six.id)
assert len(list(net.ports(device_id=router.id, device_owner='network:router_interface'))) == 2
refused(400, net.add_interface_to_router, router, subnet_id=four.id)
router = net.add_extra_routes_to_router(
    router, {'router': {'routes': [{'destination': '192.168.0.0/16', 'nexthop': '10.77.0.9'}]}}
)
assert net.get_router(router.id).routes == [{'destination': '192.168.0.0/16', 'nexthop': '10.77.0.9'}]
net.remove_extra_routes_from_router(router, {'router': {'routes': router.routes}})

floating = net.create_ip(floating_network_id=public.id, port_id=port.id)
assert floating.status == 'ACTIVE' and floating.router_id == router.id
assert floating.fixed_ip_address in [ip['ip_address'] for ip in port.fixed_ips]
assert net.find_ip(floating.floating_ip_address).id == floating.id
refused(409, net.update_router, router, external_gateway_info={})
assert net.update_ip(floating, port_id=None).status == 'DOWN'

quota = net.get_quota(conn.current_project_id, details=True)
assert quota.ports['used'] >= 23 and quota.routers['used'] == 1

net.delete_ip(floating)
net.remove_interface_from_router(router, subnet_id=four.id)
net.remove_interface_from_router(router, subnet_id=six.id)
net.delete_router(router)
for each in [port, *ports]:
    net.delete_port(each)
net.delete_security_group(group)
net.delete_network(network)
assert net.find_network('sdk') is None
print('done')
