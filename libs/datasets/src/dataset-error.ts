import { SconceError } from '@sconce/errors';

const SHOWN_CHARS = 80;

/** What is wrong with one row. The row's number is kept beside it: problems are found before rows are numbered. */
export interface RowProblem {
  /** What was found, what was expected, and where in the row. */
  readonly message: string;
  /** The column at fault, where one is. */
  readonly column?: string;
}

/** The dataset as a whole cannot be read or does not fit the model: nothing of it, or nothing more, is scored. */
export function datasetError(message: string, options: { param?: string; cause?: unknown } = {}): SconceError {
  const { param, cause } = options;
  return new SconceError('invalid_dataset', message, {
    ...(param === undefined ? {} : { details: { param } }),
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Text from a dataset as it may stand in a message: quoted, escaped and of bounded length. */
export function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'bigint') return String(value);
  const text = typeof value === 'string' ? JSON.stringify(value) : safeJson(value);
  return text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text;
}

/** Names as a message lists them: the first dozen. */
export function listed(names: readonly string[]): string {
  const first = names.slice(0, 12).map((name) => shown(name));
  return names.length > 12 ? `${first.join(', ')}, … ${names.length} in all` : first.join(', ');
}

function safeJson(value: unknown): string {
  try {
    return (
      JSON.stringify(value, (_key, member: unknown) => (typeof member === 'bigint' ? String(member) : member)) ?? ''
    );
  } catch {
    return String(value);
  }
}
