import type { BatchFormat, TableRequest } from '@sconce/client';
import { UsageError } from '../output/failure.ts';

type InputSource = NonNullable<TableRequest['inputs']>[string];
type OutputSelection = NonNullable<TableRequest['outputs']>[number];

const FORMATS: Readonly<Record<string, BatchFormat>> = {
  csv: 'csv',
  tsv: 'csv',
  jsonl: 'jsonl',
  txt: 'csv',
  ndjson: 'jsonl',
  json: 'jsonl',
  parquet: 'parquet',
  arrow: 'arrow',
  arrows: 'arrow',
  ipc: 'arrow',
  feather: 'arrow',
  npy: 'npy',
};

/** Parses `x=column`, `x=p*`, `x=a,b,c` or `x:=JSON` (one value for all rows). @throws UsageError. */
export function parseInput(text: string): readonly [string, InputSource] {
  const [, name, isValue, source] = /^([^=:]+)(:)?=(.+)$/s.exec(text) ?? [];
  if (name === undefined || source === undefined) {
    throw new UsageError(
      `--input takes NAME=COLUMNS, not "${text}".`,
      'For example --input "pixels=p*" or --input x=age,income.',
    );
  }
  if (isValue !== undefined) return [name, { value: parseValue(name, source) }];
  return [name, source.includes(',') ? source.split(',') : source];
}

/** Parses `name`, `name=output`, `name=argmax(output)` or `name=top_k(output, 3)`. Empty brackets mean the model's only output. */
export function parseOutput(text: string): OutputSelection {
  const [, name, call] = /^([^=]+?)(?:=(.+))?$/s.exec(text) ?? [];
  if (name === undefined) throw badOutput(text);
  if (call === undefined) return { from: name };
  const [, transform, inside] = /^(argmax|softmax|top_k)\(([^)]*)\)$/.exec(call.trim()) ?? [];
  if (transform === undefined) {
    if (/[()]/.test(call)) throw badOutput(text);
    return { name, from: call.trim() };
  }
  const args = (inside ?? '').split(',').map((part) => part.trim());
  const k = transform === 'top_k' ? Number(args.at(-1)) : undefined;
  if (k !== undefined && (!Number.isInteger(k) || k < 1)) throw badOutput(text);
  const from = (k === undefined ? args : args.slice(0, -1))[0];
  return {
    name,
    from: from === '' ? undefined : from,
    transform: transform as 'argmax' | 'softmax' | 'top_k',
    k,
  };
}

/** The format that the option names, or else the file's ending. @throws UsageError. */
export function formatOf(option: string | undefined, file: string, flag: string): BatchFormat {
  const name = option ?? /\.([A-Za-z0-9]+)(?:\.(?:gz|zst))?$/.exec(file)?.[1]?.toLowerCase() ?? '';
  const format = FORMATS[name];
  if (format !== undefined) return format;
  const formats = [...new Set(Object.values(FORMATS))].join(', ');
  throw new UsageError(
    option === undefined
      ? `The format of ${file} is unknown: its name has no known ending.`
      : `${flag} "${option}" is not a known format.`,
    `Give ${flag} with one of: ${formats}.`,
  );
}

function parseValue(name: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new UsageError(`--input ${name}:= takes JSON, not "${text}".`, 'For example --input temperature:=0.7.');
  }
}

function badOutput(text: string): UsageError {
  return new UsageError(
    `--output takes NAME, NAME=OUTPUT or NAME=argmax(OUTPUT), not "${text}".`,
    'The transforms are argmax(x), softmax(x) and top_k(x, 3).',
  );
}
