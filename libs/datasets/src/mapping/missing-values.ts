/** Texts that programs write for a missing value: those that pandas reads so, and a question mark. */
const SPELLINGS: ReadonlySet<string> = new Set([
  '',
  '#n/a',
  '#na',
  '-nan',
  '<na>',
  '?',
  'n/a',
  'na',
  'nan',
  'nil',
  'none',
  'null',
]);
const LONGEST = 5;

/** Whether a value says that there is none: null, NaN, empty text, or text such as `NA`. */
export function isMissing(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  if (typeof value === 'number') return Number.isNaN(value);
  if (typeof value !== 'string') return false;
  const text = value.trim();
  return text.length <= LONGEST && SPELLINGS.has(text.toLowerCase());
}

/** What a request says of missing values: `error`, `nan`, or the value that stands for them. Undefined for `error`. */
export function missingValue(policy: number | string | undefined): number | string | undefined {
  if (policy === undefined || policy === 'error') return undefined;
  return policy === 'nan' ? NaN : policy;
}
