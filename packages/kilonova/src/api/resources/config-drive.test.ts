/** A new server has a config drive when it asks for one, its image must have one, or all do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findServer } from '../../db/servers.ts'
import { cloud, imageOf, server, type Cloud } from '../testing/cloud.ts'

const has = async (it: Cloud, wish: object): Promise<boolean | undefined> =>
  (await findServer(it.db, await server(it, wish)))?.configDrive

test('it is asked for, or the image must have one', async (t) => {
  const it = await cloud(t)
  assert.equal(await has(it, {}), false)
  assert.equal(await has(it, { config_drive: true }), true)
  for (const [wanted, given] of [
    ['mandatory', true],
    ['optional', false],
  ] as const) {
    const image = imageOf({ properties: { img_config_drive: wanted } })
    it.images.set(image.id, image)
    assert.equal(await has(it, { imageRef: image.id }), given, wanted)
    assert.equal(await has(it, { imageRef: image.id, config_drive: false }), given, wanted)
  }
})

test('an operator may give one to all', async (t) => {
  const it = await cloud(t, { DEFAULT: { force_config_drive: true } })
  assert.equal(await has(it, {}), true)
  assert.equal(await has(it, { config_drive: false }), true)
})
