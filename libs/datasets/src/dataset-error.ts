import { SconceError } from '@sconce/errors';

const SHOWN_CHARS = 80;

/** Why a row is bad. The caller keeps the row's number, because problems are found before rows are numbered. */
export interface RowProblem {
  /** The value, what was expected, and the place in the row. */
  readonly message: string;
  /** The column with the wrong value, if it is one. */
  readonly column?: string;
}

/** The error of a dataset that cannot be read or does not fit the model. No more rows of it are scored. */
export function datasetError(message: string, options: { param?: string; cause?: unknown } = {}): SconceError {
  const { param, cause } = options;
  return new SconceError('invalid_dataset', message, {
    details: param === undefined ? undefined : { param },
    cause,
  });
}

/** A value of a dataset in a form for messages: quoted, escaped and of limited length. */
export function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'bigint') return String(value);
  const text = typeof value === 'string' ? JSON.stringify(value) : safeJson(value);
  return text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text;
}

/** A list of names for messages: at most twelve names. */
export function listed(names: readonly string[]): string {
  const first = names.slice(0, 12).map((name) => shown(name));
  return names.length > 12 ? `${first.join(', ')}, … ${names.length} in all` : first.join(', ');
}

/** The names that occur more than once, each once. */
export function repeated(names: readonly string[]): readonly string[] {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const name of names) (seen.has(name) ? twice : seen).add(name);
  return [...twice];
}

/** The index of each name. A file may have a million columns, so names are not searched one by one. */
export function placesOf(names: readonly string[]): ReadonlyMap<string, number> {
  return new Map(names.map((name, place) => [name, place]));
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
