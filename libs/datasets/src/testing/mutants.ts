import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { npyHeader } from '../npy/npy-header.ts';

/** A valid dataset whose column `column` holds one number a row. */
export interface ValidDataset {
  /** The kind of file: a format, or `gzip`. */
  readonly kind: 'parquet' | 'arrow' | 'npy' | 'csv' | 'jsonl' | 'gzip';
  readonly format: 'parquet' | 'arrow' | 'npy' | 'csv' | 'jsonl';
  readonly filename: string;
  readonly column: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const ROWS = 200;
const values = Array.from({ length: ROWS }, (_, row) => row / 8);
const csv = `id,x\n${values.map((value, row) => `"row ${row}",${value}\n`).join('')}`;
const jsonl = values.map((x, row) => `${JSON.stringify({ id: `row ${row}`, x })}\n`).join('');

const fixture = (name: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(readFileSync(new URL(`../../fixtures/${name}`, import.meta.url)));
const text = (content: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(content));
const file = (
  kind: ValidDataset['kind'],
  filename: string,
  [column, bytes]: readonly [string, Uint8Array<ArrayBuffer>],
): ValidDataset => ({ kind, format: kind === 'gzip' ? 'csv' : kind, filename, column, bytes });

/** Valid datasets: some of each kind. They are read from the fixtures of this library's sources. */
export function validDatasets(): readonly ValidDataset[] {
  return [
    ...['flat-v1-snappy-dictionary', 'flat-v1-none-plain', 'flat-v1-gzip', 'flat-v2-zstd-plain', 'encoded-v2'].map(
      (name) => file('parquet', `${name}.parquet`, ['float32', fixture(`${name}.parquet`)]),
    ),
    ...['flat.arrow', 'flat-lz4.arrow', 'flat-zstd.arrow', 'flat-stream.arrow'].map((name) =>
      file('arrow', name, ['float32', fixture(name)]),
    ),
    file('npy', 'rows.npy', [
      'data',
      Uint8Array.from(Buffer.concat([npyHeader('FP32', [ROWS]), Buffer.from(Float32Array.from(values).buffer)])),
    ]),
    file('csv', 'rows.csv', ['x', text(csv)]),
    file('jsonl', 'rows.jsonl', ['x', text(jsonl)]),
    file('gzip', 'rows.csv.gz', ['x', Uint8Array.from(gzipSync(csv))]),
  ];
}

/** A dataset in which one byte differs, and where that byte is. */
export interface Mutant extends ValidDataset {
  readonly at: number;
  readonly was: number;
  readonly is: number;
}

/**
 * One-byte mutants of each kind, `count` a kind, in turn over its files. The same seed gives the same mutants. Half of the changed bytes are
 * near the beginning or the end, where files describe themselves.
 */
export function* oneByteMutants(seed: number, count: number): Generator<Mutant, void, undefined> {
  const random = numbersOf(seed);
  const datasets = validDatasets();
  for (const kind of new Set(datasets.map((own) => own.kind))) {
    const files = datasets.filter((own) => own.kind === kind);
    for (let index = 0; index < count; index++) {
      const dataset = files[index % files.length];
      if (dataset === undefined) continue;
      const { length } = dataset.bytes;
      const near = Math.floor(random() * Math.min(length, 512));
      const places = [Math.floor(random() * length), near, Math.floor(random() * length), length - 1 - near];
      const at = places[Math.floor(random() * places.length)] ?? 0;
      const bytes = Uint8Array.from(dataset.bytes);
      const was = bytes[at] ?? 0;
      const is = (was + 1 + Math.floor(random() * 255)) % 256;
      bytes[at] = is;
      yield { ...dataset, bytes, at, was, is };
    }
  }
}

/** Pseudo-random numbers in [0, 1). The same seed gives the same numbers. */
function numbersOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
