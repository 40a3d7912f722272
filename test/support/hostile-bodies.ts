import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { seeded } from './seeded.ts';

/** A body that no server should trust, and its headers. */
export interface HostileBody {
  readonly name: string;
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

const JSON_TYPE = { 'content-type': 'application/json' };

/**
 * Bodies of a seed: nesting, many values, long tokens, broken text and encodings, and compressed bodies that are far larger than they look.
 * Each has about `bytes` bytes when it is unpacked.
 */
export function hostileBodies(seed: number, bytes: number): readonly HostileBody[] {
  const random = seeded(seed);
  const pick = <T>(...from: readonly [T, ...T[]]): T => from[Math.floor(random() * from.length)] ?? from[0];
  const many = (text: string): string => text.repeat(Math.ceil(bytes / text.length));
  const data = (text: string): string =>
    `{"inputs":[{"name":"x","datatype":"FP32","shape":[${Math.ceil(random() * 1e6)},4],"data":[${text}]}]}`;
  const levels = Math.ceil(bytes / 4);
  const texts: Record<string, string> = {
    'many levels of arrays': '['.repeat(levels),
    'many levels of objects': many('{"a":'),
    'closed levels in an input': data('['.repeat(levels) + ']'.repeat(levels)),
    'empty arrays as inputs': `{"inputs":[${many('[],')}[]]}`,
    'empty arrays as data': data(`${many('[],')}[]`),
    'empty objects as data': data(`${many('{},')}{}`),
    'a long shape': `{"inputs":[{"name":"x","datatype":"FP32","shape":[${many('1,')}1],"data":[1]}]}`,
    'a long string': JSON.stringify({ inputs: 'a'.repeat(bytes) }),
    'a long name': JSON.stringify({ inputs: [{ name: 'é'.repeat(bytes / 2) }] }),
    'a long number': data('1'.repeat(bytes)),
    'a huge exponent': data(many(`1e${Math.ceil(random() * 1e9)},`).slice(0, -1)),
    'escapes in a string': JSON.stringify({ inputs: [{ name: '"\\'.repeat(bytes / 4) }] }),
    'many keys': `{${Array.from({ length: bytes / 16 }, (_, i) => `"k${i}":${i}`).join(',')}}`,
    'one key many times': `{${many('"inputs":[],')}"inputs":[]}`,
    'data many times': `{"inputs":[{"name":"x",${many('"data":[1,2],')}"data":[1]}]}`,
    'white space': `{"inputs":${' '.repeat(bytes)}[]}`,
    'numbers of another shape': data(many(`${pick('1', '0.25', '-7e2')},`).slice(0, -1)),
    'a list that does not end': `{"inputs":[{"data":[${many('1,')}`,
    'a string that does not end': `{"inputs":[{"name":"${'a'.repeat(bytes)}`,
    'a lone surrogate': JSON.stringify({ inputs: [{ name: pick('\ud800', '\udc00x') }] }),
    'a word that JSON has not': data(`1,${pick('nan', 'Inf', 'undefined', "'a'")},3`),
  };
  const plain = Object.entries(texts).map(([name, text]) => ({ name, body: Buffer.from(text), headers: JSON_TYPE }));
  const cut = plain.map(({ body }) => body.subarray(0, Math.ceil(random() * body.length)))[
    Math.floor(random() * plain.length)
  ];
  const invalid = Buffer.from(data(many('1,')));
  invalid[Math.floor(random() * invalid.length)] = pick(0xff, 0xc0, 0x80);
  const bomb = Buffer.from(`{"inputs":[${'[],'.repeat((4 * bytes) / 3)}[]]}`);
  const encoded = (encoding: string, body: Buffer): HostileBody['headers'] => ({
    ...JSON_TYPE,
    'content-encoding': encoding,
    'content-length': String(body.length),
  });
  const packed = {
    gzip: gzipSync(bomb),
    deflate: deflateSync(bomb),
    br: brotliCompressSync(bomb.subarray(0, 100_000)),
  };
  return [
    ...plain,
    { name: 'a body that is cut', body: cut ?? invalid, headers: JSON_TYPE },
    { name: 'bytes that are no UTF-8', body: invalid, headers: JSON_TYPE },
    ...Object.entries(packed).map(([name, body]) => ({
      name: `a bomb of ${name}`,
      body,
      headers: encoded(name, body),
    })),
    { name: 'gzip in gzip', body: gzipSync(packed.gzip), headers: encoded('gzip', gzipSync(packed.gzip)) },
    { name: 'cut gzip', body: packed.gzip.subarray(0, 400), headers: encoded('gzip', packed.gzip.subarray(0, 400)) },
    { name: 'plain text as gzip', body: bomb.subarray(0, 400), headers: encoded('gzip', bomb.subarray(0, 400)) },
  ];
}
