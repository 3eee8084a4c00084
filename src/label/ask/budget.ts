/** The cap on what a run may cost: spent and reserved together never pass it. */
import { costOf, type Prices } from './cost.ts'
import type { Usage } from './question.ts'

/** The highest cost of one call, put aside until the call is over. */
export type Reservation = {
  /** The call is over and used this; undefined: it is not known, and counts at its highest. */
  settle(usage: Usage | undefined): void
  /** The call was not computed. */
  release(): void
  /** One attempt was lost and may be paid: counts it, and reserves another. False where the cap forbids. */
  again(): boolean
}

/** Keeps spent plus reserved under the cap. */
export function openBudget(prices: Prices | undefined, max_cost: number | undefined) {
  const used = { input_tokens: 0, output_tokens: 0 }
  let reserved_cost = 0
  const fits = (cost: number) =>
    prices === undefined ||
    max_cost === undefined ||
    costOf(used, prices) + reserved_cost + cost <= max_cost
  const take = (usage: Usage) => {
    used.input_tokens += usage.input_tokens
    used.output_tokens += usage.output_tokens
  }
  return {
    /** @param highest what the call can use at most. @returns undefined where the cap forbids. */
    reserve(highest: Usage): Reservation | undefined {
      const cost = prices ? costOf(highest, prices) : 0
      if (!fits(cost)) return undefined
      reserved_cost += cost
      return {
        settle(usage) {
          reserved_cost -= cost
          take(usage ?? highest)
        },
        release() {
          reserved_cost -= cost
        },
        again() {
          reserved_cost -= cost
          take(highest)
          const ok = fits(cost)
          if (!ok) {
            // What the caller settles next is what was just taken.
            used.input_tokens -= highest.input_tokens
            used.output_tokens -= highest.output_tokens
          }
          reserved_cost += cost
          return ok
        },
      }
    },
    spent: (): Usage & { cost?: number } => ({
      ...used,
      ...(prices ? { cost: costOf(used, prices) } : {}),
    }),
  }
}
