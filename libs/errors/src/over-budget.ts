import { SconceError } from './sconce-error.ts';

/** The setting of an instance for each part of a request's budget. A model (`config.json`) and a key may set a smaller one. */
export const BUDGET_SETTINGS = {
  body_bytes: 'SCONCE_MAX_BODY_BYTES',
  json_values: 'SCONCE_MAX_JSON_VALUES',
  elements: 'SCONCE_MAX_ELEMENTS',
  output_bytes: 'SCONCE_MAX_OUTPUT_BYTES',
  run_memory_bytes: 'SCONCE_MAX_RUN_MEMORY_BYTES',
  run_ms: 'SCONCE_MAX_RUN_MS',
} as const;

/** A part of the budget of a request. */
export type BudgetField = keyof typeof BUDGET_SETTINGS;

/** All parts of the budget of a request. */
export const BUDGET_FIELDS = Object.keys(BUDGET_SETTINGS) as readonly BudgetField[];

/** A limit that holds, and what to change to raise it. */
export interface BudgetLimit {
  readonly limit: number;
  /** A variable, or a field of a model's config or of a key. */
  readonly setting: string;
}

/** A part of a request's budget, and what the request needs of it. */
export interface BudgetExcess extends BudgetLimit {
  readonly field: BudgetField;
  /** What the request needs, in the unit of the field. */
  readonly value: number;
  /** The need was not counted to its end: it is at least `value`. */
  readonly isAtLeast?: boolean;
  /** How `value` came about, for people: "output y is [1000, 1000] of FP32". */
  readonly because?: string;
  /** The input, output or field that needs so much. */
  readonly param?: string;
}

const NEEDS: Readonly<Record<BudgetField, (value: string) => string>> = {
  body_bytes: (value) => `its body has ${value} bytes`,
  json_values: (value) => `its JSON has ${value} values`,
  elements: (value) => `its inputs have ${value} elements`,
  output_bytes: (value) => `its outputs take ${value} bytes`,
  run_memory_bytes: (value) => `its run needs ${value} bytes of memory`,
  run_ms: (value) => `its run takes ${value} ms`,
};

/**
 * The error for a request that needs more than its budget: `payload_too_large` (413) for bytes of the body, else `over_budget` (422).
 * `details` has `budget`, `limit`, `value` and `setting`, and `param` if it is given.
 */
export function overBudget(excess: BudgetExcess): SconceError {
  const { field, limit, value, setting, isAtLeast = false, because, param } = excess;
  const need = NEEDS[field](isAtLeast ? `at least ${value}` : String(value));
  const reason = because === undefined ? '' : ` (${because})`;
  const code = field === 'body_bytes' ? 'payload_too_large' : 'over_budget';
  return new SconceError(
    code,
    `the request is over its budget ${field}: ${need}${reason}; allowed are ${limit}. Make the request smaller, or raise ${setting}.`,
    { details: { budget: field, limit, value, setting, ...(param === undefined ? {} : { param }) } },
  );
}
