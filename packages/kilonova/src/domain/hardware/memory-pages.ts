/** How large the pages are that a guest's memory is made of. Upstream: _get_numa_pagesize_constraint. */
import { both, isYes, refuse, type Wishes } from './wishes.ts'

/** In KiB where it is a number. */
export type PageWish = 'small' | 'large' | 'any' | number

export interface HugePages {
  readonly sizeKib: number
  readonly free: number
}

const UNITS: Readonly<Record<string, number>> = { '': 0, k: 1, m: 2, g: 3, t: 4 }

function parsed(text: string): PageWish {
  if (text === 'small' || text === 'large' || text === 'any') return text
  if (/^\d+$/.test(text)) return Number(text)
  const [, number = '', unit = '', i = '', bits = ''] = /^(\d+(?:\.\d+)?)([kmgt]?)(i?)(b|bit)?$/i.exec(text) ?? []
  const power = UNITS[unit.toLowerCase()]
  if (number === '' || power === undefined) throw refuse(`Invalid memory page size '${text}'`)
  const bytes =
    (Number(number) * (i || bits === '' || bits === 'B' ? 1024 : 1000) ** power) /
    (bits === 'b' || bits === 'bit' ? 8 : 1)
  return Math.ceil(bytes) / 1024
}

/** Undefined: nobody said. Errors: BadRequest. */
export function pageWish(wishes: Pick<Wishes, 'extraSpecs' | 'properties'>): PageWish | undefined {
  const { flavor, image } = both(wishes, 'mem_page_size')
  if (flavor === undefined) {
    if (image !== undefined) throw refuse(`Page size ${image} forbidden against '<empty>'`)
    return undefined
  }
  const wish = parsed(flavor)
  if (image === undefined) return wish
  if (wish !== 'any' && wish !== 'large') throw refuse(`Page size ${image} forbidden against '${flavor}'`)
  return parsed(image)
}

const SMALL_KIB = 4

/** The size to use, in KiB: `small` stands for the machine's own pages. Undefined: the host has none that fit. */
export function pageSizeFor(
  wish: PageWish,
  memoryMb: number,
  pages: readonly HugePages[],
): number | 'small' | undefined {
  if (wish === 'small' || wish === SMALL_KIB) return 'small'
  const neededKib = memoryMb * 1024
  const fitting = pages
    .filter(
      ({ sizeKib, free }) =>
        (typeof wish === 'number' ? sizeKib === wish : true) &&
        neededKib % sizeKib === 0 &&
        free * sizeKib >= neededKib,
    )
    .toSorted((a, b) => b.sizeKib - a.sizeKib)
  return fitting[0]?.sizeKib ?? (wish === 'any' ? 'small' : undefined)
}

/** The guest's memory is never paged out. Errors: BadRequest. */
export function lockedMemory(wishes: Pick<Wishes, 'extraSpecs' | 'properties'>): boolean {
  const { flavor, image } = both(wishes, 'locked_memory')
  if (flavor !== undefined && image !== undefined && isYes(flavor) !== isYes(image))
    throw refuse(
      `locked_memory value in image (${python(isYes(image))}) and flavor (${python(isYes(flavor))}) conflict. A consistent value is expected if both specified.`,
    )
  const locked = isYes(flavor ?? image)
  const sized = both(wishes, 'mem_page_size')
  if (locked && sized.flavor === undefined && sized.image === undefined)
    throw refuse('locked_memory value in image or flavor is forbidden when mem_page_size is not set.')
  return locked
}
const python = (flag: boolean): string => (flag ? 'True' : 'False')
