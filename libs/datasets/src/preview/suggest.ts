import type { TensorSpec } from '@sconce/tensor';
import type { DatasetFormat } from '../dataset-format.ts';
import type { DatasetColumn } from '../dataset-reader.ts';
import type { MappableModel } from '../mapping/input-mapping.ts';
import { isText } from '../text/readable-text.ts';
import type { Fix, PreviewProblem } from './dataset-preview.ts';

/** Names longer than this list are not written into an option one by one. */
const MAX_NAMED = 12;
const DELIMITERS = [';', '\t', '|'] as const;
const MAGIC: readonly (readonly [DatasetFormat, string])[] = [
  ['parquet', 'PAR1'],
  ['arrow', 'ARROW1'],
  ['npy', '\x93NUMPY'],
];

/** Names of columns that are seldom an input. */
const NO_INPUT = /^(|id|.*_id|index|idx|row|name|label|labels|target|class|y|date|time|timestamp|unnamed: \d+)$/i;

/** What an input without columns is looked for in. */
export interface FreeColumns {
  readonly columns: readonly DatasetColumn[];
  /** Names of columns that have no use. */
  readonly free: readonly string[];
  /** Those of them that have numbers. */
  readonly numeric: readonly string[];
  /** Whether other inputs have no columns either. */
  readonly isOnlyInput: boolean;
}

/**
 * The columns that an input is likely to take: one whose name differs in case or spaces only; numbered columns with a prefix of their own,
 * as many as a row has elements; as many columns of numbers; or the only column that is left. Undefined if nothing fits.
 */
export function suggestColumns(
  input: TensorSpec,
  model: MappableModel,
  { columns, free, numeric, isOnlyInput }: FreeColumns,
): Fix | undefined {
  const like = plain(input.name);
  const same = columns.find(({ name }) => plain(name) === like);
  if (same !== undefined) return fixOf(input.name, same.name);
  const shape = model.rowInputs.has(input.name) ? input.shape.slice(1) : input.shape;
  const isFree = shape.some((size) => size < 0);
  const size = shape.reduce((product, own) => product * own, 1);
  for (const [prefix, count] of prefixes(free)) {
    if (count > 1 && (isFree || count === size)) return fixOf(input.name, `${prefix}*`);
  }
  const [only, ...others] = free;
  if (only !== undefined && others.length === 0 && isOnlyInput) return fixOf(input.name, only);
  const likely = numeric.filter((name) => !NO_INPUT.test(name));
  const chosen = [numeric, likely].find((names) => names.length === size);
  if (isFree || chosen === undefined || chosen.length > MAX_NAMED) return undefined;
  return fixOf(input.name, size === 1 ? (chosen[0] ?? '') : chosen);
}

/** What is likely wrong with a CSV file of one column: another delimiter stands in its name. */
export function suggestDelimiter(columns: readonly DatasetColumn[]): PreviewProblem | undefined {
  const [only] = columns;
  if (columns.length !== 1 || only === undefined) return undefined;
  const delimiter = DELIMITERS.find((character) => only.name.includes(character));
  if (delimiter === undefined) return undefined;
  const name = delimiter === '\t' ? 'tabs' : JSON.stringify(delimiter);
  return {
    code: 'delimiter',
    message: `The first line has no comma and so one column. It has ${name}, which may separate the columns.`,
    param: 'csv.delimiter',
    fix: {
      flag: `--delimiter ${delimiter === '\t' ? "$'\\t'" : `'${delimiter}'`}`,
      field: { csv: { delimiter } },
    },
  };
}

/** The format that a file is by its first bytes, if it is another one than was said. */
export function suggestFormat(head: Uint8Array, format: DatasetFormat): PreviewProblem | undefined {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.byteLength, 1_024)).toString('latin1');
  const found =
    MAGIC.find(([, magic]) => text.startsWith(magic))?.[0] ?? (isText(format) ? undefined : textFormat(text));
  if (found === undefined || found === format) return undefined;
  return {
    code: 'format',
    message: `The file is ${found} by its first bytes, and not ${format}.`,
    param: 'format',
    fix: { flag: `--format ${found}`, field: { format: found } },
  };
}

/** The format of a text; undefined if it is none. */
function textFormat(text: string): DatasetFormat | undefined {
  if (text === '' || /[\0-\x08]/.test(text)) return undefined;
  return /^\s*[[{]/.test(text) ? 'jsonl' : 'csv';
}

/** What to change because of an error of the whole file. */
export function fixOfParam(
  param: string | undefined,
  columns: readonly DatasetColumn[],
  wanted: string,
): Fix | undefined {
  switch (param) {
    case 'csv':
      return { flag: '--no-header', field: { csv: { header: false } } };
    case 'encoding':
      return { flag: '--encoding windows-1252', field: { encoding: 'windows-1252' } };
    case 'pass_through': {
      const near = columns.find(({ name }) => plain(name) === plain(wanted));
      return near === undefined
        ? undefined
        : { flag: `--keep ${quoted(near.name)}`, field: { pass_through: [near.name] } };
    }
    default:
      return undefined;
  }
}

function fixOf(input: string, source: string | readonly string[]): Fix {
  const columns = typeof source === 'string' ? source : source.join(',');
  return { flag: `--input ${quoted(`${input}=${columns}`)}`, field: { inputs: { [input]: source } } };
}

/** Prefixes of numbered names, with how many names have each, in the order of the file. */
function prefixes(names: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) {
    const prefix = /^(.*?\D)\d+$/.exec(name)?.[1];
    if (prefix !== undefined && !prefix.includes('*')) counts.set(prefix, (counts.get(prefix) ?? 0) + 1);
  }
  return counts;
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[\s_.-]/g, '');
}

/** As a word of a shell. */
function quoted(text: string): string {
  return /^[\w=,.:/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
