/** The battery with every harm at every step on the calm and the stormy bus; `npm test` draws two of the latter. */
process.env['KILONOVA_BATTERY'] = 'whole'
await import('../../test/battery/battery.test.ts')
