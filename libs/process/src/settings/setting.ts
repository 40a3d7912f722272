import * as z from 'zod';

/** A program that reads settings. */
export type Program = 'api' | 'worker' | 'cli';

/** One environment variable. `T` is what it is read as; `undefined` where it may be left out and has no default here. */
export interface Setting<T = unknown> {
  readonly schema: z.ZodType<T>;
  /** Which values it takes, for people: ends the sentence "expected …". */
  readonly expected: string;
  readonly about: string;
  readonly programs: readonly Program[];
  /** What holds where it is not set, for people. */
  readonly fallback?: string;
  /** Must not be shown; may also be given as a file, by the variable of this name with `_FILE` behind it. */
  readonly secret?: true;
}

interface Words {
  readonly about: string;
  readonly programs: readonly Program[];
  readonly fallback?: string;
  readonly secret?: true;
}

/** Any text. */
export function text(
  words: Words & { readonly expected?: string; readonly pattern?: RegExp },
): Setting<string | undefined> {
  const { expected = 'text', pattern, ...rest } = words;
  const schema = pattern === undefined ? z.string() : z.string().regex(pattern);
  return { ...rest, expected, schema: schema.optional() };
}

/** A whole number. */
export function integer(
  words: Words & { readonly min?: number; readonly max?: number; readonly unit?: string },
): Setting<number | undefined> {
  const { min = 1, max = Number.MAX_SAFE_INTEGER, unit, ...rest } = words;
  const range = max === Number.MAX_SAFE_INTEGER ? `${min} or more` : `${min} to ${max}`;
  const schema = z.string().regex(/^\d+$/).transform(Number).pipe(z.number().int().min(min).max(max)).optional();
  return { ...rest, expected: `a whole number${unit === undefined ? '' : ` of ${unit}`}, ${range}`, schema };
}

/** Yes or no. */
export function flag(words: Words): Setting<boolean | undefined> {
  return { ...words, expected: 'true or false', schema: z.stringbool().optional() };
}

/** One of some words. */
export function choice<const T extends string>(words: Words & { readonly of: readonly T[] }): Setting<T | undefined> {
  const { of, ...rest } = words;
  return { ...rest, expected: `one of ${of.join(', ')}`, schema: z.enum(of).optional() };
}

/** Texts separated by commas. */
export function list(words: Words & { readonly expected: string }): Setting<readonly string[]> {
  const schema = z
    .string()
    .default('')
    .transform((value) =>
      value
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    );
  return { ...words, schema };
}
