/** The battery with every harm at every step on the stormy bus; `npm test` draws two of them. */
process.env['KILONOVA_BATTERY'] = 'whole'
await import('../../test/battery/battery.test.ts')
