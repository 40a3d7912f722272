import * as z from 'zod';
import { BUDGET_FIELDS, BUDGET_SETTINGS, type BudgetField, type BudgetLimit, overBudget } from '@sconce/errors';

const most = z.int().min(1).optional();

/** The most that one request may need. A part that is absent is not limited here. */
export const requestBudgetSchema = z
  .strictObject({
    body_bytes: most.describe('Bytes of the body, after decompression.'),
    json_values: most.describe('JSON values in the body: objects, arrays, strings, numbers, …'),
    elements: most.describe('Elements of all inputs together.'),
    output_bytes: most.describe('Bytes of all outputs together.'),
    run_memory_bytes: most.describe('Memory of a run, in bytes, besides the model itself.'),
    run_ms: most.describe('Time of a run, in milliseconds.'),
  } satisfies Record<BudgetField, unknown>)
  .describe('The most that one request may need. The smallest budget of the instance, the model and the key holds.');

/** The most that one request may need. */
export type RequestBudget = Readonly<Partial<Record<BudgetField, number | undefined>>>;

/** The limits that hold for a request. A part that is absent has no limit. */
export type EffectiveBudget = Readonly<Partial<Record<BudgetField, BudgetLimit>>>;

/** The budget that the settings of an instance give. A program that does not read one of the settings leaves it out. */
export function instanceBudget(
  settings: Readonly<Partial<Record<(typeof BUDGET_SETTINGS)[BudgetField], number | undefined>>>,
): RequestBudget {
  const budget: Partial<Record<BudgetField, number | undefined>> = {};
  for (const field of BUDGET_FIELDS) budget[field] = settings[BUDGET_SETTINGS[field]];
  return budget;
}

/**
 * Checks the outputs of a request against the budget of the caller's key. The budgets of the instance and the model were checked before the
 * outputs were copied. @throws SconceError `over_budget`.
 */
export function checkKeyOutputs(outputs: readonly { readonly data: Uint8Array }[], limit: number | undefined): void {
  if (limit === undefined) return;
  let value = 0;
  for (const { data } of outputs) value += data.byteLength;
  if (value > limit) throw overBudget({ field: 'output_bytes', limit, value, setting: settingOfKey('output_bytes') });
}

/** The smallest of each part of the budgets of the instance, the model and the caller's key, and where it is set. */
export function smallestBudget(budgets: {
  readonly instance: RequestBudget;
  readonly model?: RequestBudget | undefined;
  readonly key?: RequestBudget | undefined;
}): EffectiveBudget {
  const { instance, model, key } = budgets;
  const smallest: Partial<Record<BudgetField, BudgetLimit>> = {};
  for (const field of BUDGET_FIELDS) {
    const candidates = [
      { limit: instance[field], setting: BUDGET_SETTINGS[field] },
      { limit: model?.[field], setting: `budget.${field} in the config of the model` },
      { limit: key?.[field], setting: settingOfKey(field) },
    ];
    for (const { limit, setting } of candidates) {
      const least = smallest[field]?.limit ?? Infinity;
      if (limit !== undefined && limit < least) smallest[field] = { limit, setting };
    }
  }
  return smallest;
}

function settingOfKey(field: BudgetField): string {
  return `budget.${field} of the API key`;
}
