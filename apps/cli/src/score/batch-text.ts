import type { Batch } from '@sconce/client';
import { failure } from '../output/failure.ts';

/** A batch in one line. */
export function batchLine(batch: Batch): string {
  const { completed, failed, total } = batch.request_counts;
  const bad = failed === 0 ? '' : `, ${failed} failed`;
  const of = batch.status === 'completed' ? '' : ` of ${total}${batch.progress < 1 ? '+' : ''}`;
  return `${batch.id}  ${batch.status}  ${completed}${of} rows${bad}  ${batch.model} version ${batch.version}`;
}

/** All facts about a batch, for people. */
export function batchText(batch: Batch): string {
  const { completed, failed, total } = batch.request_counts;
  const times = (
    [
      'created_at',
      'in_progress_at',
      'finalizing_at',
      'completed_at',
      'failed_at',
      'expired_at',
      'cancelled_at',
    ] as const
  )
    .flatMap((name) => (batch[name] === null ? [] : [`${name.slice(0, -3).replace('_', ' ')} ${isoTime(batch[name])}`]))
    .join(', ');
  return [
    `${batch.id}: ${batch.status}`,
    `  model      ${batch.model} version ${batch.version}`,
    `  input      ${batch.input_url ?? batch.input_file_id ?? ''} (${batch.format}), results ${batch.output_format}`,
    `  rows       ${completed} scored, ${failed} failed, ${total} read (${(batch.progress * 100).toFixed(1)} % of the input)`,
    ...(batch.rate === null
      ? []
      : [
          `  rate       ${Math.round(batch.rate).toLocaleString('en')} rows/s${batch.eta === null ? '' : `, ${batch.eta} s left`}`,
        ]),
    `  times      ${times}`,
    ...(batch.errors?.data ?? []).map(({ message }) => `  error      ${message}`),
  ].join('\n');
}

/** The error for a batch that ended without being completed. */
export function batchFailure(batch: Batch): Error {
  const [error] = batch.errors?.data ?? [];
  switch (batch.status) {
    case 'cancelled':
      return failure('job_cancelled', `Batch ${batch.id} was cancelled.`, { hint: retryHint(batch) });
    case 'expired':
      return failure('deadline_exceeded', `Batch ${batch.id} did not complete within ${batch.completion_window}.`, {
        hint: retryHint(batch),
      });
    default:
      return failure('invalid_dataset', error?.message ?? `Batch ${batch.id} is ${batch.status}.`, {
        hint: mappingHint(error?.param) ?? `\`sconce batches show ${batch.id}\` shows its state and errors.`,
      });
  }
}

/** What to change in `sconce score` if the server refused a part of the request: `inputs.x`, `outputs[0]`, `pass_through`. */
export function mappingHint(param: string | null | undefined): string | undefined {
  if (param?.startsWith('inputs') === true) {
    return 'Give the columns of each input, for example --input "pixels=p*" or --input x=age,income.';
  }
  if (param?.startsWith('outputs') === true)
    return 'Give outputs of the model, for example --output "digit=argmax(logits)".';
  if (param?.startsWith('pass_through') === true) return 'Give columns of the file, for example --keep id,label.';
  return undefined;
}

function retryHint({ id }: Batch): string {
  return `\`sconce batches retry ${id}\` scores the rows that are left.`;
}

function isoTime(seconds: number): string {
  return new Date(seconds * 1_000).toISOString().replace('.000Z', 'Z');
}
