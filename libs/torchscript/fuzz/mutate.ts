import { MemoryByteSource } from '@sconce/storage';

import { buildZip, join, type ZipFile } from '../fixtures/archive/build-zip.ts';
import { DEFAULT_ARCHIVE_LIMITS } from '../src/archive/archive-limits.ts';
import { readZipDirectory } from '../src/archive/zip-directory.ts';
import { readStored, unpackRecord } from '../src/archive/zip-records.ts';
import type { Random } from './random.ts';

/** A valid archive and its inflated records. */
export interface Seed {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly files: readonly ZipFile[];
}

/** Splits an archive into records, so that mutants of records can be joined to archives with correct checksums. */
export async function makeSeed(name: string, file: Uint8Array): Promise<Seed> {
  // Not a Buffer: its slices are views, so mutants would change the seed.
  const bytes = Uint8Array.from(file);
  const source = new MemoryByteSource(bytes);
  const entries = await readZipDirectory(source, DEFAULT_ARCHIVE_LIMITS);
  const stored = await readStored(source, entries);
  const files = entries.map((entry, i) => ({
    name: entry.name,
    data: unpackRecord(entry, stored[i] ?? new Uint8Array()),
  }));
  return { name, bytes, files };
}

/** Kinds of records, and how often in ten cases each is chosen. */
const TARGETS: readonly (readonly [RegExp, number])[] = [
  [/(data|constants|traced_inputs)\.pkl$/, 4],
  [/\.py$/, 4],
  [/\.debug_pkl$/, 1],
  [/(version|byteorder)$/, 1],
];

/** A mutant of one of the seeds: a damaged file, or a valid file with a damaged record. */
export function mutant(seeds: readonly Seed[], random: Random): Uint8Array {
  const seed = random.pick(seeds);
  const allBytes = seeds.map(({ bytes }) => bytes);
  if (random.below(4) === 0) return damage(seed.bytes, random, allBytes);
  const kind = random.pick(TARGETS.flatMap(([pattern, weight]) => new Array<RegExp>(weight).fill(pattern)));
  const target = random.pick(seed.files.filter(({ name }) => kind.test(name) || name.endsWith('/data.pkl')));
  const alike = seeds.flatMap(({ files }) => files.filter(({ name }) => kind.test(name)).map(({ data }) => data));
  const data = random.below(3) === 0 ? damage(target.data, random, alike) : tweak(target.data, random);
  return buildZip(seed.files.map((file) => (file === target ? { name: file.name, data } : file)));
}

/** Random damage without knowledge of the format, one to four times. */
function damage(bytes: Uint8Array, random: Random, others: readonly Uint8Array[]): Uint8Array {
  let result = bytes;
  for (let times = 1 + random.below(4); times > 0; times--) result = damageOnce(result, random, others);
  return result;
}

function damageOnce(bytes: Uint8Array, random: Random, others: readonly Uint8Array[]): Uint8Array {
  const at = random.below(bytes.length + 1);
  const length = random.below(Math.min(64, bytes.length - at + 1));
  switch (random.below(6)) {
    case 0: {
      const flipped = bytes.slice();
      if (at < flipped.length) flipped[at] = (flipped[at] ?? 0) ^ (1 << random.below(8));
      return flipped;
    }
    case 1:
      return bytes.slice(0, at);
    case 2: // Repeat a range of bytes.
      return join(bytes.slice(0, at + length), bytes.slice(at));
    case 3: // Remove a range of bytes.
      return join(bytes.slice(0, at), bytes.slice(at + length));
    case 4: {
      const other = random.pick(others);
      const from = random.below(other.length);
      return join(bytes.slice(0, at), other.slice(from, from + 64), bytes.slice(at));
    }
    default: {
      const overwritten = bytes.slice();
      const value = random.pick([0, 0xff, 0x7f, 0x80, random.below(256)]);
      return overwritten.fill(value, at, Math.min(at + 1 + random.below(8), overwritten.length));
    }
  }
}

/** Opcodes and names of pickles. */
const PICKLE_TOKENS = tokens(
  ...['(', ')', '.', ']', '}', 'N', 'R', 'b', 'Q', 't', 'e', 'u', 'a', 's', 'l', 'd', 'q\u0000', 'h\u0000', 'h\u0003'],
  ...['K\u0001', 'J\u00ff\u00ff\u00ff\u00ff', 'X\u0001\u0000\u0000\u0000a', '\u0081', '\u0085', '\u0086', '\u0088'],
  ...['cos\nsystem\n', 'c__torch__\nA\n', 'ctorch._utils\n_rebuild_tensor_v2\n', 'ctorch\nFloatStorage\n'],
  ...['ccollections\nOrderedDict\n', 'ctorch.jit._pickle\nbuild_intlist\n', 'ctorch.jit._pickle\nrestore_type_tag\n'],
);

/** Pieces of serialised code. */
const CODE_TOKENS = tokens(
  ...[
    'self',
    'return ',
    '  ',
    '\n',
    '\n  ',
    ':',
    '"',
    '(',
    ')',
    ', ',
    '[',
    ']',
    ' = ',
    '->',
    '9223372036854775808',
    '-1',
    '0.',
  ],
  ...[
    'if ',
    'else:\n',
    'while ',
    'for ',
    'def ',
    'class ',
    'torch.',
    '__torch__.',
    'CONSTANTS.c0',
    'CONSTANTS.c99',
    'x',
    'None',
  ],
);

function tokens(...texts: readonly string[]): readonly Uint8Array[] {
  return texts.map((text) => Uint8Array.from(text, (char) => char.charCodeAt(0)));
}

/** Damage that keeps most of the format: inserts a token or replaces a byte by it, copies a piece of the data, or changes a number. */
function tweak(bytes: Uint8Array, random: Random): Uint8Array {
  const isPickle = bytes[0] === 0x80;
  // Every pickle starts with these bytes. A mutant there would be refused at once.
  const at = Math.min(bytes.length, (isPickle ? 2 : 0) + random.below(bytes.length));
  const choice = random.below(4);
  if (choice === 0)
    return join(
      bytes.slice(0, at),
      random.pick(isPickle ? PICKLE_TOKENS : CODE_TOKENS),
      bytes.slice(at + random.below(2)),
    );
  if (choice === 1) {
    const from = random.below(bytes.length);
    return join(bytes.slice(0, at), bytes.slice(from, from + random.below(24)), bytes.slice(at + random.below(24)));
  }
  const result = bytes.slice();
  if (at < result.length)
    result[at] = isPickle ? (result[at] ?? 0) + random.pick([1, -1, 16, 127]) : 0x20 + random.below(0x5f);
  return result;
}
