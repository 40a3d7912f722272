import * as z from 'zod';

/** A program that reads settings. */
export type Program = 'api' | 'worker' | 'serve' | 'cli';

/** The unit of a number, as the documentation names it. */
export type Unit = 'bytes' | 'ms' | 'seconds';

/**
 * One environment variable, read by the programs `P`. `T` is the type of the parsed value; it includes `undefined` if there is no fixed
 * default.
 */
export interface Setting<T = unknown, P extends Program = Program> {
  /** Parses the text of the variable. Gives `default` when the variable is not set. */
  readonly schema: z.ZodType<T>;
  /** The allowed values, for people. Completes the sentence "expected …". */
  readonly expected: string;
  /** What the setting does, for people. */
  readonly about: string;
  readonly programs: readonly P[];
  /** The value that holds when the variable is not set. docs/configuration.md prints it. */
  readonly default?: T;
  /** For people, when there is no fixed default: how the program finds the value if the variable is not set. */
  readonly whenUnset?: string;
  readonly unit?: Unit;
  /** The value must not be shown. It may also be given as a file, by the variable of this name with `_FILE` appended. */
  readonly secret?: true;
}

/** A setting that always has a value. */
export interface SettingWithDefault<T, P extends Program> extends Setting<T, P> {
  readonly default: T;
}

interface Description<P extends Program> {
  readonly about: string;
  readonly programs: readonly P[];
  readonly secret?: true;
}

type WithDefault<T, P extends Program> = Description<P> & { readonly default: T };
type WithoutDefault<P extends Program> = Description<P> & { readonly whenUnset?: string };
type AnyDescription<T, P extends Program> = Description<P> & { readonly default?: T; readonly whenUnset?: string };

interface TextValues {
  readonly expected?: string;
  readonly pattern?: RegExp;
}

/** Any text, or text that matches `pattern`. */
export function text<P extends Program>(
  description: WithDefault<string, P> & TextValues,
): SettingWithDefault<string, P>;
export function text<P extends Program>(description: WithoutDefault<P> & TextValues): Setting<string | undefined, P>;
export function text<P extends Program>(
  description: AnyDescription<string, P> & TextValues,
): Setting<string | undefined, P> {
  const { expected = 'text', pattern, ...rest } = description;
  const schema = pattern === undefined ? z.string() : z.string().regex(pattern);
  return { ...rest, expected, schema: rest.default === undefined ? schema.optional() : schema.default(rest.default) };
}

interface NumberValues {
  readonly min?: number;
  readonly max?: number;
  readonly unit?: Unit;
}

/** A whole number. */
export function integer<P extends Program>(
  description: WithDefault<number, P> & NumberValues,
): SettingWithDefault<number, P>;
export function integer<P extends Program>(
  description: WithoutDefault<P> & NumberValues,
): Setting<number | undefined, P>;
export function integer<P extends Program>(
  description: AnyDescription<number, P> & NumberValues,
): Setting<number | undefined, P> {
  const { min = 1, max = Number.MAX_SAFE_INTEGER, ...rest } = description;
  const range = max === Number.MAX_SAFE_INTEGER ? `${min} or more` : `${min} to ${max}`;
  const expected = `a whole number${rest.unit === undefined ? '' : ` of ${rest.unit}`}, ${range}`;
  const schema = z.string().regex(/^\d+$/).transform(Number).pipe(z.number().int().min(min).max(max));
  return { ...rest, expected, schema: rest.default === undefined ? schema.optional() : schema.default(rest.default) };
}

/** `true` or `false`. */
export function flag<P extends Program>(description: WithDefault<boolean, P>): SettingWithDefault<boolean, P>;
export function flag<P extends Program>(description: WithoutDefault<P>): Setting<boolean | undefined, P>;
export function flag<P extends Program>(description: AnyDescription<boolean, P>): Setting<boolean | undefined, P> {
  const schema = z.stringbool();
  return {
    ...description,
    expected: 'true or false',
    schema: description.default === undefined ? schema.optional() : schema.default(description.default),
  };
}

/** One of several words. */
export function choice<const T extends string, P extends Program>(
  description: WithDefault<NoInfer<T>, P> & { readonly of: readonly T[] },
): SettingWithDefault<T, P>;
export function choice<const T extends string, P extends Program>(
  description: WithoutDefault<P> & { readonly of: readonly T[] },
): Setting<T | undefined, P>;
export function choice<const T extends string, P extends Program>(
  description: AnyDescription<T, P> & { readonly of: readonly T[] },
): Setting<T | undefined, P> {
  const { of, ...rest } = description;
  const schema = z.enum(of).optional();
  return {
    ...rest,
    expected: `one of ${of.join(', ')}`,
    schema: z.preprocess((value) => value ?? rest.default, schema),
  };
}

/** Texts separated by commas. Without a value the list is empty. */
export function list<P extends Program>(
  description: Description<P> & { readonly expected: string },
): SettingWithDefault<readonly string[], P> {
  const split = (value: string): string[] =>
    value
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
  return { ...description, default: [], schema: z.string().transform(split).default([]) };
}
