/** Reads the generated constants: `NAME=1 OTHER=2`. Text loads quicker than a thousand properties. */

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller names the type that was generated with the text
export const parseConstants = <T extends object>(text: string): T =>
  Object.fromEntries(
    text.split(' ').map((pair) => {
      const equals = pair.indexOf('=')
      return [pair.slice(0, equals), Number(pair.slice(equals + 1))]
    }),
  ) as T
