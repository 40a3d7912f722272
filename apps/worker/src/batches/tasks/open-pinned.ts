import { openDataset, type DatasetReader } from '@sconce/datasets';
import { SconceError } from '@sconce/errors';
import type { ScoringPlan } from '../scoring-plan.ts';
import type { TaskContext } from './task-context.ts';

/**
 * Opens the dataset of a batch. @throws SconceError `invalid_dataset` with `details.whole` if no row can be read any more: it is gone, has
 * changed, or is not of its format.
 */
export async function openPinned(
  plan: Pick<ScoringPlan, 'dataset' | 'format' | 'csv'>,
  { sources }: Pick<TaskContext, 'sources'>,
): Promise<DatasetReader> {
  try {
    return await openDataset(await sources.open(plan.dataset), plan.format, { csv: plan.csv });
  } catch (error) {
    if (!(error instanceof SconceError) || error.code !== 'invalid_dataset') throw error;
    const { code, message, details } = error;
    throw new SconceError(code, message, { details: { ...details, whole: true }, cause: error });
  }
}
