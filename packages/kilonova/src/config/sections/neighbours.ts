/** The services beside ours, who we are to them, and our database. */
import { z } from 'zod'
import { choice, flag, optionalText, secret, text } from '../fields.ts'

export const database = z.strictObject({
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

export const keystone_authtoken = z.strictObject({
  ...credentials,
  www_authenticate_uri: optionalText('The identity service as users reach it, told in a 401; without it auth_url.'),
  cafile: optionalText(
    'Authorities (PEM) by which the identity, image and network services are believed, beside those that the machine knows.',
  ),
})

export const glance = z.strictObject({
  endpoint_override: optionalText('The image service, instead of what the catalog says.'),
})

export const neutron = z.strictObject({
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

export const vendordata_dynamic_auth = z.strictObject({
  ...credentials,
  auth_url: optionalText('The identity service. Without it the services of DynamicJSON get no token.'),
})
