/** What every driver must do, as cases: run on the fake in the quick tests and on real QEMU in e2e/driver.e2e.ts. */
import { after, before } from 'node:test'
import { makeBed, type Bed, type ContractHost, type ContractImages } from './contract/bed.ts'
import { deviceCases } from './contract/device-cases.ts'
import { diskCases } from './contract/disk-cases.ts'
import { imageCases } from './contract/image-cases.ts'
import { powerCases } from './contract/power-cases.ts'

export function driverContract(open: () => Promise<ContractHost>, images: () => Promise<ContractImages>): void {
  let made: Bed | undefined
  before(async () => {
    made = await makeBed(open, images)
  })
  after(() => made?.close())

  const bed = (): Bed => {
    if (!made) throw new Error('the bed is made before the first case')
    return made
  }
  // Power comes last: its last case finds that no guest is left.
  for (const cases of [imageCases, deviceCases, diskCases, powerCases]) cases(bed)
}
