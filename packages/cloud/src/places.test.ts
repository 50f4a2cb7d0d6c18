/** Where a service listens, where we find it, and what others are told are three things. */
import assert from 'node:assert/strict'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import { parseOptions, UsageError, type CloudOptions } from './options.ts'
import { placesOf } from './places.ts'

function optionsOf(...args: readonly string[]): CloudOptions {
  const options = parseOptions(args, {})
  assert.ok(options !== 'help')
  return options
}
const urls = (...args: readonly string[]) => {
  const { here, told } = placesOf(optionsOf(...args))
  return [here('compute'), told('compute')]
}

test('by default everything is on this machine alone', () => {
  assert.deepEqual(urls(), ['http://127.0.0.1:8774', 'http://127.0.0.1:8774'])
  assert.deepEqual(urls('--port-offset', '100'), ['http://127.0.0.1:8874', 'http://127.0.0.1:8874'])
})

test('an address that is listened on is what everybody uses, of either version', () => {
  assert.deepEqual(urls('--listen', '192.0.2.7'), ['http://192.0.2.7:8774', 'http://192.0.2.7:8774'])
  assert.deepEqual(urls('--listen', 'fd00::7'), ['http://[fd00::7]:8774', 'http://[fd00::7]:8774'])
})

for (const everywhere of ['0.0.0.0', '::'])
  test(`${everywhere} is told to nobody: others are told an address of this machine`, () => {
    const own = Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? [])
    const [here, told = ''] = urls('--listen', everywhere)
    assert.equal(here, 'http://127.0.0.1:8774')
    assert.ok(own.includes(new URL(told).hostname), told)
  })

test('others are told the name they know, if there is one', () => {
  const [here, told] = urls('--listen', '0.0.0.0', '--endpoint-host', 'cloud.example')
  assert.deepEqual([here, told], ['http://127.0.0.1:8774', 'http://cloud.example:8774'])
  for (const wrong of ['http://cloud.example', 'cloud.example:8774', '', 'a b', '-'])
    assert.throws(() => optionsOf('--endpoint-host', wrong), UsageError, wrong)
})

test('HTTPS is for all services', () => {
  const { here, told } = placesOf(optionsOf(), true)
  assert.deepEqual(
    [here('compute'), told('compute'), told('identity')],
    ['https://127.0.0.1:8774', 'https://127.0.0.1:8774', 'https://127.0.0.1:5000'],
  )
})
