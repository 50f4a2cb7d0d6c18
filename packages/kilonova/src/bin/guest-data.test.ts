/** What is wrong with the options of the metadata service is said at the start. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '@kilonova/base/config.ts'
import { silentLog } from '@kilonova/base/log.ts'
import { readConfig } from '../config/index.ts'
import { guestDataOf, proxiesOf } from './guest-data.ts'

const clock = { now: () => 0 }
const dataOf = (ini: string) => guestDataOf(readConfig(ini), clock, silentLog)

test('by default a domain stands behind names, old versions are left out, and nothing else is told', async () => {
  const { dhcpDomain, skippedVersions, vendorData } = await dataOf('')
  assert.equal(dhcpDomain, 'novalocal')
  assert.equal(skippedVersions.length, 8)
  assert.deepEqual(await vendorData.fixed(), {})
})

test('vendor data that cannot be read, or are named twice, keep the service from starting', async () => {
  for (const [ini, words] of [
    ['vendordata_jsonfile_path = /nowhere', /vendordata_jsonfile_path: .*ENOENT/],
    ['vendordata_dynamic_ssl_certfile = /nowhere', /vendordata_dynamic_ssl_certfile: .*ENOENT/],
    ['vendordata_dynamic_targets = a@http://x, a@http://y', /two are called a/],
  ] as const)
    await assert.rejects(
      dataOf(`[api]\n${ini}\n`),
      (error) => error instanceof ConfigError && words.test(error.message),
    )
  for (const ini of ['vendordata_dynamic_targets = http://x', 'vendordata_providers = Magic'])
    assert.throws(() => readConfig(`[api]\n${ini}\n`), ConfigError)
})

test('the network service’s proxies are believed when that is wanted, and never without a secret', () => {
  const proxies = (ini: string) => proxiesOf(readConfig(`[neutron]\n${ini}\n`), 'own')
  assert.deepEqual(proxies('metadata_proxy_shared_secret = theirs'), { ownSecret: 'own', foreignSecret: undefined })
  assert.deepEqual(proxies('service_metadata_proxy = true\nmetadata_proxy_shared_secret = theirs'), {
    ownSecret: 'own',
    foreignSecret: 'theirs',
  })
  assert.throws(() => proxies('service_metadata_proxy = true'), /it needs metadata_proxy_shared_secret/)
})
