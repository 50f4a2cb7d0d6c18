/** All actions, one of them with one step changed: how a test meddles in the middle of a task. */
import type { ServerAction } from '@kilonova/kilonova/actions/define.ts'
import { ACTIONS } from '@kilonova/kilonova/actions/index.ts'

export type Step = ServerAction['steps'][number]

export const withStep = (action: ServerAction, name: string, change: (step: Step) => Step) => ({
  ...ACTIONS,
  [action.name]: { ...action, steps: action.steps.map((step) => (step.name === name ? change(step) : step)) },
})
