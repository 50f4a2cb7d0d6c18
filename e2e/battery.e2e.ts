/** The battery with every harm at every step on the calm bus; unit tests draw two of them. */
process.env['KILONOVA_BATTERY'] = 'calm'
await import('../test/battery/battery.test.ts')
