/**
 * The states of a batch: `validating` → `in_progress` → `finalizing` → `completed`. The first three may go to `failed`. Every state that
 * is not final may go to `expired` or, through `cancelling`, to `cancelled`. A retry goes from a final state back to `in_progress`.
 */
export const BATCH_STATUSES = [
  'validating',
  'in_progress',
  'finalizing',
  'completed',
  'failed',
  'expired',
  'cancelling',
  'cancelled',
] as const;

export type BatchStatus = (typeof BATCH_STATUSES)[number];

/** States that a batch leaves only by a retry. */
export const FINAL_STATUSES = ['completed', 'failed', 'expired', 'cancelled'] as const satisfies BatchStatus[];

/** A state that a batch leaves only by a retry. */
export type FinalBatchStatus = (typeof FINAL_STATUSES)[number];
