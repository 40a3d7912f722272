import type { BatchSpec } from '@sconce/contracts';
import type { BlobStore } from '@sconce/storage';
import type { ScoringPlan } from '../scoring-plan.ts';
import { PLUS_ONE } from './plus-one-runner.ts';

/** Stores a CSV file with one column `x`. */
export async function storeColumn(store: BlobStore, key: string, values: readonly (number | string)[]): Promise<void> {
  await store.put(key, Buffer.from(['x', ...values, ''].join('\n')), { maxBytes: 2 ** 20 });
}

/** A batch that scores the CSV file of this key with the model `PLUS_ONE`. */
export function tableSpec(key: string, over: Partial<BatchSpec> = {}): BatchSpec {
  return {
    model: PLUS_ONE.name,
    version: PLUS_ONE.version,
    pool: 'default',
    kind: 'table',
    endpoint: '',
    input: { kind: 'blob', key },
    inputName: 'rows.csv',
    format: 'csv',
    table: {},
    maxErrorRate: 1,
    priority: 128,
    completionWindow: '24h',
    ...over,
  };
}

/** The task with which a planner has a batch's dataset validated. */
export function validateTask(
  batchId: string,
  spec: BatchSpec,
): {
  readonly batchId: string;
  readonly spec: BatchSpec;
  readonly model: ScoringPlan['model'];
  readonly runRows: number;
} {
  const { name, version, signature, rowInputs, maxBatchRows } = PLUS_ONE;
  const model = { name, version, endpoint: spec.endpoint, signature, rowInputs: [...rowInputs] };
  return { batchId, spec, model, runRows: maxBatchRows };
}
