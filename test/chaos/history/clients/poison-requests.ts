import { gzipSync } from 'node:zlib';
import { createWriter, type DatasetFormat } from '@sconce/datasets';
import { Draw } from '../plan/draw.ts';
import type { PoisonName } from '../poisons.ts';
import type { Call } from './caller.ts';
import { datasetOf } from './batches.ts';

/** How a poison is sent: as a request that the client waits for, or as a batch. */
export interface PoisonRequest {
  readonly as: 'infer' | 'batch';
  readonly call: Call;
}

const ROWS = 200;
const DEEP = 20_000;
const MANY = 300_000;

const x = (over: object): object => ({
  inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4], data: [1, 2, 3, 4], ...over }],
});
const infer = (model: string, body: string | Uint8Array, headers: Record<string, string> = {}): PoisonRequest => ({
  as: 'infer',
  call: {
    path: `/v2/models/${model}/infer`,
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  },
});
const batch = (query: Record<string, string>, filename: string, body: string | Uint8Array): PoisonRequest => ({
  as: 'batch',
  call: {
    path: `/v1/batches?${new URLSearchParams({ model: 'affine', ...query }).toString()}`,
    method: 'POST',
    headers: {
      'content-type': 'application/octet-stream',
      'content-disposition': `attachment; filename="${filename}"`,
    },
    body,
  },
});
const COLUMNS = { inputs: JSON.stringify({ x: ['a', 'b', 'c', 'd'] }) };
const HOSTILE = [
  '{"inputs":[{"name":"x"',
  '{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[1,nan,3,4]}]}',
  '{"inputs":{"__proto__":[]}}',
  '[1e999]',
  '"\\ud800"',
  '',
  '{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[1e39,2,3,4]}]}',
] as const;

/** The request of each poison. Those that need a model of their own are made by the engineers who make them harmless. */
const REQUESTS: Readonly<Record<PoisonName, (draw: Draw) => PoisonRequest | Promise<PoisonRequest>>> = {
  'wrong-shape': (draw) => infer('affine', JSON.stringify(x({ shape: [1, draw.between(5, 9)] }))),
  'hostile-json': (draw) => infer('affine', draw.pick(HOSTILE)),
  'deep-json': () => infer('affine', `{"inputs":${'['.repeat(DEEP)}${']'.repeat(DEEP)}}`),
  'many-values': () =>
    infer('affine', gzipSync(`{"inputs":[${'[],'.repeat(MANY)}[]]}`), { 'content-encoding': 'gzip' }),
  'huge-shape': () => infer('affine', JSON.stringify(x({ shape: [Number.MAX_SAFE_INTEGER, 4], data: [] }))),
  'index-out-of-range': (draw) =>
    infer(
      'lookup',
      JSON.stringify({ inputs: [{ name: 'index', datatype: 'INT64', shape: [1, 1], data: [draw.between(10, 1e6)] }] }),
    ),
  'damaged-csv': (draw) => batch(COLUMNS, 'rows.csv', damaged(draw, Buffer.from(csv(draw)))),
  'damaged-gzip': (draw) => batch(COLUMNS, 'rows.csv.gz', damaged(draw, gzipSync(csv(draw)))),
  'damaged-parquet': async (draw) => batch({}, 'rows.parquet', damaged(draw, await table(draw, 'parquet'))),
  'damaged-arrow': async (draw) => batch({}, 'rows.arrow', damaged(draw, await table(draw, 'arrow'))),
  'damaged-npy': async (draw) =>
    batch({ inputs: JSON.stringify({ x: 'data' }) }, 'rows.npy', damaged(draw, await table(draw, 'npy'))),
  'slow-pattern': () =>
    batch({ inputs: JSON.stringify({ x: `${'a*'.repeat(40)}b` }) }, 'rows.csv', `${'a'.repeat(2_000)},c\n1,2\n`),
  'endless-loop': () =>
    infer('slow', JSON.stringify({ inputs: [{ name: 'steps', datatype: 'INT64', shape: [1], data: [1e13] }] })),
};

/** The request of a poison, made from a seed. */
export async function poisonRequest(name: PoisonName, seed: number): Promise<PoisonRequest> {
  return REQUESTS[name](new Draw(seed));
}

function csv(draw: Draw): string {
  const numbers = Array.from({ length: 4 * ROWS }, () => draw.between(0, 99));
  return datasetOf({ inputs: [numbers], badRows: [] });
}

/** A valid file of `ROWS` rows with the column `x`, in the product's own writing. */
async function table(draw: Draw, format: DatasetFormat): Promise<Uint8Array> {
  const writer = await createWriter(
    [
      {
        name: 'x',
        datatype: 'FP32',
        rowShape: [4],
        source: { kind: 'output', output: 'x', transform: 'none', k: 1, part: 'values' },
      },
    ],
    format,
  );
  const elements = Float32Array.from({ length: 4 * ROWS }, () => draw.between(0, 99));
  const part = writer.part();
  const first = part.write({ rows: ROWS, columns: [{ kind: 'elements', elements, width: 4 }] });
  const { body, trailer } = part.end();
  const begin = writer.begin({ rows: ROWS });
  const middle = Buffer.concat([...first, ...body]);
  const parts = [{ rows: ROWS, bytes: middle.byteLength, trailer }];
  return Buffer.concat([begin, middle, writer.end({ rows: ROWS, beginBytes: begin.byteLength, parts })]);
}

/** The bytes with a few of them changed, or cut off. */
function damaged(draw: Draw, bytes: Uint8Array): Uint8Array {
  if (draw.chance(0.2)) return bytes.subarray(0, draw.between(1, bytes.byteLength - 1));
  const copy = Uint8Array.from(bytes);
  for (let change = draw.between(1, 4); change > 0; change--)
    copy[draw.between(0, copy.length - 1)] = draw.between(0, 255);
  return copy;
}
