import { expect, it } from 'vitest';
import { BUDGET_FIELDS, BUDGET_SETTINGS, ERROR_POLICY, overBudget } from './index.ts';

it.each([...BUDGET_FIELDS])('the error for %s names the budget, the limit, the value and the setting', (field) => {
  const setting = BUDGET_SETTINGS[field];
  const error = overBudget({ field, limit: 1_000, value: 4_242, setting });
  for (const part of [field, '1000', '4242', setting]) expect(error.message).toContain(part);
  expect(error.details).toEqual({ budget: field, limit: 1_000, value: 4_242, setting });
  expect(ERROR_POLICY[error.code]).toMatchObject({ http: field === 'body_bytes' ? 413 : 422, retry: 'never' });
});

it('says when the value was not counted to its end, and how it came about', () => {
  const error = overBudget({
    field: 'output_bytes',
    limit: 10,
    value: 12,
    setting: 'budget.output_bytes of the API key',
    isAtLeast: true,
    because: 'output y is [3] of FP32',
    param: 'y',
  });
  expect(error.message).toBe(
    'the request is over its budget output_bytes: its outputs take at least 12 bytes (output y is [3] of FP32); allowed are 10. Make the request smaller, or raise budget.output_bytes of the API key.',
  );
  expect(error.details.param).toBe('y');
});
