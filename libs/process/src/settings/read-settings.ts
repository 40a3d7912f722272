import { readFileSync } from 'node:fs';
import { distance as editDistance } from 'fastest-levenshtein';
import { SconceError } from '@sconce/errors';
import type { z } from 'zod';
import type { Program, Setting } from './setting.ts';
import { SETTINGS, type SettingName } from './settings.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** The parsed settings of a program, by name. */
export type Settings<P extends Program> = {
  readonly [N in SettingName as P extends (typeof SETTINGS)[N]['programs'][number] ? N : never]: z.output<
    (typeof SETTINGS)[N]['schema']
  >;
};

const PREFIX = 'SCONCE_';
const FILE = '_FILE';
/** A name is suggested for an unknown one if at most one letter in so many differs. */
const LETTERS_PER_TYPO = 4;

/**
 * Reads a program's settings. Settings of other programs may be set too, because programs often share one environment. An empty value
 * counts as not set. A secret may be given as a file (`SCONCE_REDIS_URL_FILE`); a line break at its end is removed.
 *
 * @throws SconceError `invalid_request` that lists all unknown names and all values that are not allowed.
 */
export function readSettings<P extends Program>(program: P, env: Env): Settings<P> {
  const problems = unknownNames(env).map(unknownName);
  const values: Partial<Record<SettingName, unknown>> = {};
  for (const [name, setting] of entries()) {
    if (!setting.programs.includes(program)) continue;
    const given = read(name, setting, env);
    if ('problem' in given) {
      problems.push(given.problem);
      continue;
    }
    const parsed = setting.schema.safeParse(given.value);
    if (parsed.success) {
      values[name] = parsed.data;
      continue;
    }
    const shown = setting.secret === true ? 'its value (a secret) is not allowed' : JSON.stringify(given.value);
    problems.push(`${name}: ${shown}; expected ${setting.expected}.`);
  }
  if (problems.length > 0) {
    throw new SconceError('invalid_request', problems.join('\n'), { details: { param: problems[0]?.split(':')[0] } });
  }
  return values as unknown as Settings<P>;
}

/** Variables that begin with `SCONCE_` and that no program knows. */
function unknownNames(env: Env): string[] {
  const known = new Set(entries().flatMap(([name, { secret }]) => [name, ...(secret === true ? [name + FILE] : [])]));
  return Object.keys(env).filter((name) => name.startsWith(PREFIX) && !known.has(name as SettingName));
}

function unknownName(name: string): string {
  const near = entries()
    .map(([own]) => ({ own, distance: editDistance(own, name) }))
    .sort((a, b) => a.distance - b.distance)[0];
  const hint =
    near !== undefined && near.distance <= (name.length - PREFIX.length) / LETTERS_PER_TYPO
      ? ` Did you mean ${near.own}?`
      : '';
  return `${name}: there is no such setting.${hint} docs/configuration.md lists all settings.`;
}

function read(
  name: SettingName,
  { secret }: Setting,
  env: Env,
): { readonly value: string | undefined } | { readonly problem: string } {
  const value = env[name]?.trim() === '' ? undefined : env[name]?.trim();
  const path = secret === true ? env[name + FILE]?.trim() : undefined;
  if (path === undefined || path === '') return { value };
  if (value !== undefined) return { problem: `${name}${FILE}: ${name} is set too; set only one of them.` };
  try {
    return { value: readFileSync(path, 'utf8').replace(/\r?\n$/, '') };
  } catch (error) {
    return { problem: `${name}${FILE}: ${(error as Error).message}.` };
  }
}

function entries(): [SettingName, Setting][] {
  return Object.entries(SETTINGS) as [SettingName, Setting][];
}
