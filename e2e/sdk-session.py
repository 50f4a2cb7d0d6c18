"""What a program does with a whole cloud by python3-openstacksdk: people and roles, images, networks, real servers.

Arguments: the file of an image, the file of a public ssh key, the file of its private key. clouds.yaml is named by OS_CLIENT_CONFIG_FILE.
Ends with 0 and the word "done", or with what was wrong. (Networks in more detail: matrix/networking-sdk.py.)
"""
import hashlib
import subprocess
import sys
import time

import openstack
from keystoneauth1.exceptions.http import HttpError
from openstack import exceptions

image_file, public_key, private_key = sys.argv[1:4]
admin = openstack.connect(cloud='kilonova-admin')
demo = openstack.connect(cloud='kilonova')
WAIT = 120


def refused(status, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except exceptions.HttpException as error:
        assert error.status_code == status, f'{error.status_code} instead of {status}: {error}'
        return str(error)
    except HttpError as error:  # of the login that the client tries by itself
        assert error.http_status == status, f'{error.http_status} instead of {status}: {error}'
        return str(error)
    raise AssertionError(f'{call.__name__} {args} {kwargs} should have been refused')


def until(what, holds, seconds=WAIT):
    end = time.time() + seconds
    while not holds():
        assert time.time() < end, f'never: {what}'
        time.sleep(0.2)


# ---- people ---------------------------------------------------------------------------------------------------------
identity = admin.identity
domain = identity.create_domain(name='sdk-domain')
project = identity.create_project(name='sdk', domain_id=domain.id)
user = identity.create_user(name='sdk', domain_id=domain.id, password='a long secret', default_project_id=project.id)
member, reader = (identity.find_role(name, ignore_missing=False) for name in ('member', 'reader'))
identity.assign_project_role_to_user(project, user, member)
assert identity.validate_user_has_project_role(project, user, member)
group = identity.create_group(name='sdk-readers', domain_id=domain.id)
identity.assign_project_role_to_group(project, group, reader)
assert {a.role['id'] for a in identity.role_assignments(scope_project_id=project.id)} == {member.id, reader.id}


def enter(**auth):
    return openstack.connect(
        region_name='RegionOne',
        auth={'auth_url': demo.auth['auth_url'], 'user_domain_id': domain.id, **auth},
    )


sdk = enter(username='sdk', password='a long secret', project_name='sdk', project_domain_id=domain.id)
assert sdk.current_project_id == project.id
refused(403, lambda: list(sdk.identity.users()))
credential = sdk.identity.create_application_credential(user, name='for-a-program')
program = openstack.connect(
    region_name='RegionOne',
    auth_type='v3applicationcredential',
    auth={
        'auth_url': demo.auth['auth_url'],
        'application_credential_id': credential.id,
        'application_credential_secret': credential.secret,
    },
)
assert program.current_project_id == project.id
assert list(program.compute.servers()) == []

# ---- images ---------------------------------------------------------------------------------------------------------
content = open(image_file, 'rb').read()
image = sdk.create_image('mine', filename=image_file, disk_format='qcow2', container_format='bare', wait=True, os_distro='none')
image = sdk.image.find_image('mine', ignore_missing=False)
assert image.status == 'active' and image.size == len(content)
assert image.hash_algo == 'sha512' and image.hash_value == hashlib.sha512(content).hexdigest()
assert sdk.image.download_image(image).content == content
sdk.image.add_tag(image, 'tagged')
assert [i.id for i in sdk.image.images(tag=['tagged'])] == [image.id]
assert demo.image.find_image(image.id) is None
sdk.image.update_image(image, is_protected=True)
refused(403, sdk.image.delete_image, image, ignore_missing=False)
sdk.image.update_image(image, is_protected=False, visibility='shared')
sdk.image.add_member(image, member_id=demo.current_project_id)
demo.image.update_member(demo.current_project_id, image.id, status='accepted')
assert demo.image.get_image(image.id).owner_id == project.id
queued = sdk.image.create_image(name='liar', disk_format='raw', container_format='bare')
answer = sdk.image.put(f'/images/{queued.id}/file', data=content, headers={'Content-Type': 'application/octet-stream'})
assert answer.status_code in (400, 415), answer.text
assert sdk.image.get_image(queued.id).status == 'queued'

# ---- networks -------------------------------------------------------------------------------------------------------
network = sdk.network.create_network(name='own')
subnet = sdk.network.create_subnet(name='own', network_id=network.id, ip_version=4, cidr='10.88.0.0/24')
public = sdk.network.find_network('public', ignore_missing=False)
router = sdk.network.create_router(name='out', external_gateway_info={'network_id': public.id})
sdk.network.add_interface_to_router(router, subnet_id=subnet.id)
ssh = sdk.network.create_security_group(name='ssh')
sdk.network.create_security_group_rule(
    security_group_id=ssh.id, direction='ingress', ether_type='IPv4', protocol='tcp', port_range_min=22, port_range_max=22
)

# ---- servers --------------------------------------------------------------------------------------------------------
sdk.compute.create_keypair(name='mine', public_key=open(public_key).read())
flavor = sdk.compute.find_flavor('m1.nano', ignore_missing=False)
assert (flavor.vcpus, flavor.ram, flavor.disk) == (1, 192, 1)
server = sdk.create_server(
    'web', image=image, flavor=flavor, network=network.id, key_name='mine', security_groups=['ssh'],
    meta={'role': 'web'}, userdata='#!/bin/sh\necho told >/home/demo/told\n', auto_ip=False, wait=True, timeout=WAIT,
)
assert server.status == 'ACTIVE' and server.metadata == {'role': 'web'}
assert demo.compute.find_server(server.id) is None
assert [s.id for s in sdk.compute.servers(name='^w.b$')] == [server.id]
floating = sdk.network.create_ip(floating_network_id=public.id)
port = next(iter(sdk.network.ports(device_id=server.id)))
sdk.network.update_ip(floating, port_id=port.id)
address = floating.floating_ip_address


def inside(command):
    done = subprocess.run(
        ['ssh', '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'BatchMode=yes', '-o', 'LogLevel=ERROR',
         '-o', 'ConnectTimeout=5', '-i', private_key, f'demo@{address}', command],
        capture_output=True, text=True,
    )
    return done.stdout.strip() if done.returncode == 0 else None


until('ssh at the floating IP', lambda: inside('hostname') == 'web')
until('user data ran', lambda: inside('cat /home/demo/told') == 'told')
boot_id = inside('cat /proc/sys/kernel/random/boot_id')
assert address in [a['addr'] for a in sdk.compute.get_server(server.id).addresses['own']]
assert 'login:' in sdk.compute.get_server_console_output(server)['output']
sdk.compute.reboot_server(server, 'SOFT')
until('another boot', lambda: inside('cat /proc/sys/kernel/random/boot_id') not in (None, boot_id))
sdk.compute.wait_for_server(server, 'ACTIVE', wait=WAIT)
sdk.compute.set_server_metadata(server, stage='test')
assert sdk.compute.get_server_metadata(server).metadata == {'role': 'web', 'stage': 'test'}
sdk.compute.stop_server(server)
sdk.compute.wait_for_server(server, 'SHUTOFF', wait=WAIT)
refused(409, sdk.compute.stop_server, server)
sdk.compute.start_server(server)
sdk.compute.wait_for_server(server, 'ACTIVE', wait=WAIT)
# 0.101's own call for this sends a parameter that it then refuses itself.
actions = sdk.compute.get(f'/servers/{server.id}/os-instance-actions').json()['instanceActions']
assert [a['action'] for a in actions] == ['start', 'stop', 'reboot', 'create'], actions
assert refused(400, sdk.compute.create_server, name='x', image_id=image.id, flavor_id='no-such', networks='none')
assert refused(404, sdk.compute.get_server, '00000000-0000-0000-0000-000000000000')

# ---- and everything away --------------------------------------------------------------------------------------------
sdk.delete_server(server.id, wait=True, timeout=WAIT)
assert list(sdk.compute.servers()) == [] and list(sdk.network.ports(device_id=server.id)) == []
sdk.network.delete_ip(floating, ignore_missing=False)
sdk.network.remove_interface_from_router(router, subnet_id=subnet.id)
sdk.network.delete_router(router, ignore_missing=False)
sdk.network.delete_network(network, ignore_missing=False)
sdk.network.delete_security_group(ssh, ignore_missing=False)
for each in (image, queued):
    sdk.image.delete_image(each, ignore_missing=False)
sdk.compute.delete_keypair('mine', ignore_missing=False)
sdk.identity.delete_application_credential(user, credential, ignore_missing=False)
program.session.auth.invalidate()
refused(401, program.session.get_token)
identity.delete_user(user, ignore_missing=False)
refused(401, sdk.compute.get_server, server.id)
identity.delete_group(group, ignore_missing=False)
identity.delete_project(project, ignore_missing=False)
identity.update_domain(domain, is_enabled=False)
identity.delete_domain(domain, ignore_missing=False)
print('done')
