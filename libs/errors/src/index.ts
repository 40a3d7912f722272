export { ERROR_POLICY, isRunFailure, type ErrorCode, type ErrorPolicy } from './error-policy.ts';
export {
  BUDGET_FIELDS,
  BUDGET_SETTINGS,
  overBudget,
  type BudgetExcess,
  type BudgetField,
  type BudgetLimit,
} from './over-budget.ts';
export {
  SconceError,
  deserializeError,
  toSconceError,
  type ErrorDetails,
  type SerializedError,
} from './sconce-error.ts';
