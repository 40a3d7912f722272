import {
  MEDIA_TYPES,
  assembleFile,
  bytesOfParts,
  createWriter,
  type FileParts,
  type StoredPart,
} from '@sconce/datasets';
import type { AssembledFile, DatasetTasks } from '../dataset-protocol.ts';
import type { ScoringPlan } from '../scoring-plan.ts';
import type { TaskContext } from './task-context.ts';

const MAX_LIST_BYTES = 256 * 1024 ** 2;
const NO_FRAME = { v: 1, begin: '', end: '' } as const;

/**
 * Makes the files of a batch's results. Each is a list of the chunks' blobs, in the input's order, with the bytes before and after them.
 */
export async function assembleResults(
  task: DatasetTasks['assemble']['task'],
  { store }: TaskContext,
): Promise<DatasetTasks['assemble']['reply']> {
  const { plan, batchId, run, parts } = task;
  const outputs = parts.flatMap((part) => (part.output === undefined ? [] : [{ ...part.output, rows: part.rows }]));
  const failures = parts.flatMap(({ errors }) => (errors === undefined ? [] : [errors]));
  const keep = async (name: string, file: FileParts, format: ScoringPlan['format']): Promise<AssembledFile> => {
    const key = `batches/${batchId}/${name}-${run}.json`;
    await store.put(key, Buffer.from(JSON.stringify(file)), { maxBytes: MAX_LIST_BYTES });
    return { key, bytes: bytesOfParts(file), mediaType: MEDIA_TYPES[format], extension: format };
  };
  const output = await outputFile(plan, outputs, store);
  return {
    output: output === undefined ? undefined : await keep('output', output, plan.outputFormat),
    errors: failures.length === 0 ? undefined : await keep('error', { ...NO_FRAME, parts: failures }, 'jsonl'),
  };
}

/** A table always has an output file, also without rows. A batch of request lines has none if no line was answered. */
async function outputFile(
  plan: ScoringPlan,
  outputs: readonly StoredPart[],
  store: TaskContext['store'],
): Promise<FileParts | undefined> {
  if (plan.kind === 'table') {
    return assembleFile(await createWriter(plan.columns, plan.outputFormat, { csv: plan.csv }), outputs, store);
  }
  return outputs.length === 0 ? undefined : { ...NO_FRAME, parts: outputs };
}
