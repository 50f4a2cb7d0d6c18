/** Text that nobody guesses, of letters that nobody takes for another. */
import { randomBytes } from 'node:crypto'

const LETTERS = 'abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789'
export const randomText = (length: number): string =>
  Array.from(randomBytes(length), (byte) => LETTERS[byte % LETTERS.length]).join('')

export const adminPassword = (asked: string | undefined): string => asked ?? randomText(12)
