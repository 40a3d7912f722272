import { expect, expectTypeOf, it } from 'vitest';
import { BUDGET_FIELDS, BUDGET_SETTINGS } from '@sconce/errors';
import type * as z from 'zod';
import { checkKeyOutputs, instanceBudget, requestBudgetSchema, smallestBudget, type RequestBudget } from './budget.ts';

it('the smallest of instance, model and key holds, for each part by itself, and says where it is set', () => {
  const instance = instanceBudget({ SCONCE_MAX_JSON_VALUES: 100, SCONCE_MAX_ELEMENTS: 50, SCONCE_MAX_RUN_MS: 1_000 });
  const model = { json_values: 20, elements: 60, output_bytes: 7 };
  expect(smallestBudget({ instance, model, key: { json_values: 30, elements: 40 } })).toEqual({
    json_values: { limit: 20, setting: 'budget.json_values in the config of the model' },
    elements: { limit: 40, setting: 'budget.elements of the API key' },
    output_bytes: { limit: 7, setting: 'budget.output_bytes in the config of the model' },
    run_ms: { limit: 1_000, setting: 'SCONCE_MAX_RUN_MS' },
  });
});

it('the instance holds when neither model nor key sets a part, also when they set the same number', () => {
  const instance = { body_bytes: 10 };
  expect(smallestBudget({ instance })).toEqual({ body_bytes: { limit: 10, setting: 'SCONCE_MAX_BODY_BYTES' } });
  expect(smallestBudget({ instance, model: { body_bytes: 10 }, key: { body_bytes: 11 } })).toEqual(
    smallestBudget({ instance }),
  );
});

it('outputs are checked against the budget of the key', () => {
  const outputs = [{ data: new Uint8Array(5) }, { data: new Uint8Array(6) }];
  for (const limit of [undefined, 11]) expect(() => checkKeyOutputs(outputs, limit)).not.toThrow();
  expect(() => checkKeyOutputs(outputs, 10)).toThrow(
    expect.objectContaining({
      code: 'over_budget',
      details: { budget: 'output_bytes', limit: 10, value: 11, setting: 'budget.output_bytes of the API key' },
    }),
  );
});

it.each([...BUDGET_FIELDS])('the schema has %s, as a positive whole number', (field) => {
  expect(requestBudgetSchema.parse({ [field]: 1 })).toEqual({ [field]: 1 });
  for (const wrong of [0, -1, 1.5, '1', null]) {
    expect(requestBudgetSchema.safeParse({ [field]: wrong }).success).toBe(false);
  }
  expect(BUDGET_SETTINGS[field]).toMatch(/^SCONCE_MAX_/);
});

it('the schema knows no other part', () => {
  expect(requestBudgetSchema.safeParse({ bytes: 1 }).success).toBe(false);
  expectTypeOf<z.infer<typeof requestBudgetSchema>>().toExtend<RequestBudget>();
});
