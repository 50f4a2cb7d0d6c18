/** Many callers share one run of some work; whoever comes while it runs shares the next, which begins after they came. */
export interface SharedRun {
  run(): Promise<void>
  /** Until the present run, if there is one, has ended; never fails. */
  ended(): Promise<void>
}

export function sharedRun(work: () => Promise<void>): SharedRun {
  let current: Promise<void> | undefined
  let following: Promise<void> | undefined
  const start = (): Promise<void> => {
    following = undefined
    const now = work().finally(() => {
      if (current === now) current = undefined
    })
    current = now
    return now
  }
  return {
    run: () => {
      if (!current) return start()
      following ??= current.then(start, start)
      return following
    },
    ended: async () => {
      await current?.catch(() => undefined)
    },
  }
}
