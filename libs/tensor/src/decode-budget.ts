import { overBudget, type BudgetLimit } from '@sconce/errors';
import type { TensorSpec } from './datatype.ts';
import { measureJson } from './json-bounds.ts';
import { elementCount } from './shape.ts';

/** Throws 'over_budget' if JSON text has too many values. Costs nothing if it is too short to have so many. */
export function checkJsonValues(json: Uint8Array, budget: BudgetLimit | undefined): void {
  // Each value but the last is followed by another character.
  if (budget === undefined || json.length < 2 * budget.limit) return;
  const { values } = measureJson(json, { maxValues: budget.limit, maxDepth: Infinity });
  refuseJsonValues(values, budget, true);
}

/** Throws 'over_budget' if there are too many values. */
export function refuseJsonValues(values: number, budget: BudgetLimit | undefined, isAtLeast: boolean): void {
  if (budget === undefined || values <= budget.limit) return;
  throw overBudget({ ...budget, field: 'json_values', value: values, isAtLeast, param: 'body' });
}

/** Throws 'over_budget' if the tensors have too many elements together. */
export function checkElements(tensors: readonly TensorSpec[], budget: BudgetLimit | undefined): void {
  if (budget === undefined) return;
  let elements = 0;
  for (const { name, shape } of tensors) elements += elementCount(shape, name);
  if (elements > budget.limit) throw overBudget({ ...budget, field: 'elements', value: elements, param: 'inputs' });
}
