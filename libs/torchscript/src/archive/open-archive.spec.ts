import { MemoryByteSource } from '@sconce/storage';
import { readFile } from 'node:fs/promises';
import { deflateRawSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';

import { P, pickle, tensor } from '../../fixtures/archive/build-pickle.ts';
import { buildZip, join, type ZipFile } from '../../fixtures/archive/build-zip.ts';
import { SEED_FIXTURES } from '../../fuzz/seed-fixtures.ts';
import type { PickleValue } from '../pickle/pickle-value.ts';
import type { ArchiveLimits } from './archive-limits.ts';
import { openArchive } from './open-archive.ts';
import type { TorchScriptArchive } from './torchscript-archive.ts';

const fixture = async (name: string): Promise<Uint8Array> =>
  Uint8Array.from(await readFile(new URL(`../../fixtures/archive/${name}`, import.meta.url)));
const open = (bytes: Uint8Array, limits: Partial<ArchiveLimits> = {}): Promise<TorchScriptArchive> =>
  openArchive(new MemoryByteSource(bytes), limits);
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe('an archive that PyTorch wrote', () => {
  it.each([
    ['traced.pt', 3, '__torch__.Small', ['__torch__.py', '__torch__/torch/nn/modules/linear.py']],
    ['scripted.pt', 3, '__torch__.Scripted', ['__torch__.py', expect.stringMatching(/linear/)]],
    ['version-10.pt', 10, '__torch__.Gelu', ['__torch__.py']],
    ['legacy-text.pt', 3, '__torch__.Scripted', ['__torch__.py', expect.stringMatching(/linear/)]],
    ['mobile.ptl', 3, '__torch__.Scripted', ['__torch__.py', expect.stringMatching(/linear/)]],
  ])('opens %s', async (name, version, className, paths) => {
    const archive = await open(await fixture(name));
    expect(archive.version).toBe(version);
    expect(archive.root.className).toEqual(className);
    expect([...archive.sources.keys()].sort()).toEqual(paths);
    expect(archive.sources.get('__torch__.py')).toMatchObject({
      path: '__torch__.py',
      text: expect.stringMatching(/^class \w+\(Module\):\n/) as string,
    });
  });

  it('has the shapes of a trace’s example inputs, which have no data', async () => {
    const { tracedInputs } = await open(await fixture('traced.pt'));
    expect([...tracedInputs]).toEqual([
      [
        'forward',
        [
          expect.objectContaining({
            kind: 'tensor',
            sizes: [2, 4],
            storage: expect.objectContaining({ dtype: 'float32' }),
          }),
        ],
      ],
    ]);
    expect((await open(await fixture('scripted.pt'))).tracedInputs.size).toBe(0);
  });

  it('is opened with few reads', async () => {
    const bytes = await fixture('everything.pt');
    const memory = new MemoryByteSource(bytes);
    let reads = 0;
    const read = (offset: number, length: number): Promise<Uint8Array> => {
      reads++;
      return memory.read(offset, length);
    };
    await openArchive({ size: bytes.length, read });
    expect(reads).toBeLessThanOrEqual(6);
  });
});

describe('everything.pt', () => {
  let archive: TorchScriptArchive;
  beforeAll(async () => {
    archive = await open(await fixture('everything.pt'));
  });
  const attribute = (name: string): PickleValue | undefined => archive.root.attributes.get(name);
  const list = (typeTag: string, ...items: PickleValue[]): PickleValue => ({ kind: 'list', items, typeTag });

  it.each<[string, PickleValue]>([
    ['ints', list('List[int]', 1n, -2n, 300n, 70000n, 1n << 40n, -(1n << 63n))],
    ['floats', list('List[float]', 0.5, Infinity, -1e-8)],
    ['flags', list('List[bool]', true, false)],
    ['pair', { kind: 'tuple', items: [1n, null] }],
    ['maybe', null],
    ['text', 'löwe\n'],
    ['number', 1.25],
    ['training', false],
    ['device', { kind: 'device', device: 'cpu' }],
    ['complex', { kind: 'complex', re: 1, im: -2 }],
    ['colour', { kind: 'object', className: '__torch__.Colour', attributes: new Map([['value', 2n]]) }],
    [
      'names',
      {
        kind: 'dict',
        typeTag: 'Dict[str, int]',
        entries: [
          ['a', 1n],
          ['ünï', 2n],
        ],
      },
    ],
    [
      'nested',
      {
        kind: 'dict',
        typeTag: 'Dict[int, List[str]]',
        entries: [
          [1n, list('List[str]', 'x')],
          [2n, list('List[str]')],
        ],
      },
    ],
  ])('has the attribute %s', (name, value) => {
    expect(attribute(name)).toEqual(value);
  });

  it('has objects with their own state', () => {
    expect(attribute('stateful')).toMatchObject({
      className: '__torch__.Stateful',
      state: { kind: 'tuple', items: [{ kind: 'dict', entries: [['a', 1n]], typeTag: 'Dict[str, int]' }, false] },
    });
  });

  it('keeps tied weights and views of one storage shared', () => {
    const storageOf = (value: PickleValue | undefined): unknown =>
      (value as { storage?: unknown } | undefined)?.storage;
    const weightOf = (name: string): PickleValue | undefined =>
      (attribute(name) as { attributes: Map<string, PickleValue> }).attributes.get('weight');
    expect(storageOf(weightOf('tied'))).toBe(storageOf(weightOf('linear')));
    expect(attribute('tied')).not.toBe(attribute('linear'));
    for (const view of ['turned', 'part', 'rows'])
      expect(storageOf(attribute(view))).toBe(storageOf(attribute('base')));
  });

  it('has constants', () => {
    expect(archive.constants).toEqual(['ß']);
  });

  it('finds its records', async () => {
    const { source } = archive;
    const range = archive.recordRange('data/0');
    const { offset = 0, length = 0 } = range ?? {};
    expect(await source.read(offset, length)).toEqual(await archive.readRecord('data/0'));
    expect(archive.recordRange('data/99')).toBeUndefined();
    expect(archive.recordRange('code/__torch__.py')).toBeUndefined();
    expect(new TextDecoder().decode(await archive.readRecord('code/__torch__.py'))).toBe(
      archive.sources.get('__torch__.py')?.text,
    );
    await expect(archive.readRecord('data/99')).rejects.toThrow(/no record data\/99/);
  });
});

/** The smallest archive that is a model, with some records replaced. */
function minimal(changes: Readonly<Record<string, Uint8Array | undefined>> = {}, root = 'm'): ZipFile[] {
  const module = pickle(P.global('__torch__', 'M'), P.emptyTuple, P.newObject, P.emptyDict, P.build);
  const records: Record<string, Uint8Array | undefined> = {
    'data.pkl': module,
    'code/__torch__.py': text('class M(Module):\n'),
    'constants.pkl': pickle(P.emptyTuple),
    version: text('3\n'),
    ...changes,
  };
  return Object.entries(records).flatMap(([name, data]) =>
    data === undefined ? [] : [{ name: `${root}/${name}`, data }],
  );
}

describe('an archive', () => {
  it.each<[string, ZipFile[], object]>([
    ['with the smallest content', minimal(), { version: 3 }],
    ['with any root folder', minimal({}, 'ünï 1.0'), { version: 3 }],
    ['with folders as entries', [{ name: 'm/', data: text('') }, ...minimal()], { version: 3 }],
    ['with files outside of the root folder', [...minimal(), { name: '__MACOSX/x', data: text('') }], { version: 3 }],
    ['with the version elsewhere', minimal({ version: undefined, '.data/version': text('6\n') }), { version: 6 }],
    ['with little byte order', minimal({ byteorder: text('little') }), { version: 3 }],
    ['with strange example inputs', minimal({ 'traced_inputs.pkl': pickle(P.none) }), { tracedInputs: new Map() }],
  ])('%s opens', async (_, files, expected) => {
    expect(await open(buildZip(files))).toMatchObject(expected);
  });

  it.each<[string, Record<string, Uint8Array | undefined>, string, RegExp]>([
    ['of a big-endian machine', { byteorder: text('big') }, 'archive', /"big" byte order.*little-endian machine/],
    ['of a later version', { version: text('11\n') }, 'archive', /version 11; versions up to 10/],
    ['of version 0', { version: text('0') }, 'archive', /holds "0", which is not a version/],
    ['of no version', { version: undefined }, 'archive', /no version record/],
    ['with a version that is not a number', { version: text('1e3') }, 'archive', /"1e3", which is not a version/],
    ['with a giant version', { version: new Uint8Array(1000) }, 'archive', /1000 bytes; at most 64/],
    ['with code that is not UTF-8', { 'code/__torch__.py': Uint8Array.of(0xff) }, 'archive', /not UTF-8/],
    ['with data that is not a module', { 'data.pkl': pickle(P.none) }, 'pickle', /data\.pkl does not hold a module/],
    [
      'with constants that are not a tuple',
      { 'constants.pkl': pickle(P.none) },
      'pickle',
      /constants\.pkl does not hold a tuple/,
    ],
    ['without constants', { 'constants.pkl': undefined }, 'format', /parts missing/],
    ['without code', { 'code/__torch__.py': undefined }, 'format', /torch\.save/],
    [
      'that calls a function',
      { 'data.pkl': pickle(P.global('os', 'system'), P.text('id'), P.tuple1, P.reduce) },
      'pickle',
      /data\.pkl, byte 2: os\.system .* nothing was executed/,
    ],
    [
      'with constants that call a function',
      { 'constants.pkl': pickle(P.global('posix', 'system')) },
      'pickle',
      /posix\.system/,
    ],
    [
      'with constants in another place',
      { 'constants.pkl': pickle(tensor(1, { sizes: [1], strides: [1] }), P.tuple1), 'data/0': new Uint8Array(4) },
      'pickle',
      /constants\/0 is not in the archive/,
    ],
  ])('%s is refused', async (_, changes, stage, message) => {
    const bytes = buildZip(minimal(changes));
    await expect(open(bytes)).rejects.toThrow(message);
    await expect(open(bytes)).rejects.toMatchObject({ code: 'model_invalid', details: { stage } });
  });

  it('opens although records of origins are damaged', async () => {
    const { sources } = await open(buildZip(minimal({ 'code/__torch__.py.debug_pkl': text('nonsense') })));
    expect(sources.get('__torch__.py')?.originAt(0)).toBeUndefined();
  });

  const bomb: ZipFile = {
    ...{ name: 'm/code/bomb.py', data: Uint8Array.from(deflateRawSync(new Uint8Array(1 << 20))) },
    ...{ method: 8, bytes: 1 << 20, crc32: 0xa738ea1c },
  };

  it.each<[string, ZipFile[], Partial<ArchiveLimits>, RegExp]>([
    [
      'a record of code',
      [...minimal(), bomb],
      { maxTextRecordBytes: 1 << 19 },
      /bomb\.py has 1048576 bytes; at most 524288/,
    ],
    ['all code', [...minimal(), bomb], { maxTextBytes: 1 << 19 }, /bytes of code and pickles; at most 524288/],
    ['opcodes', minimal(), { maxPickleOpcodes: 3 }, /more than 3 opcodes/],
    [
      'nesting',
      minimal({ 'constants.pkl': pickle(P.emptyTuple, P.tuple1, P.tuple1, P.tuple1) }),
      { maxPickleNesting: 2 },
      /more than 2 levels/,
    ],
    ['entries', minimal(), { maxEntries: 3 }, /4 entries; at most 3/],
  ])('is refused above the limit on %s', async (_, files, limits, message) => {
    await expect(open(buildZip(files), limits)).rejects.toThrow(message);
  });

  it('is refused above the limit on records that are read later', async () => {
    const archive = await open(buildZip([...minimal(), { ...bomb, name: 'm/extra/x' }]), { maxRecordBytes: 1 << 19 });
    await expect(archive.readRecord('extra/x')).rejects.toThrow(/has 1048576 bytes; at most 524288/);
  });

  it('that inflates to more than it says is refused', async () => {
    await expect(open(buildZip([...minimal(), { ...bomb, bytes: 100 }]))).rejects.toThrow(
      /more bytes than the directory says/,
    );
  });
});

describe('a file that is cut off', () => {
  it.each(SEED_FIXTURES)('%s is refused at every 64th byte', async (name) => {
    const bytes = await fixture(name);
    for (let end = 0; end < bytes.length; end += 64) {
      await expect(open(bytes.slice(0, end))).rejects.toMatchObject({ code: 'model_invalid' });
    }
    await expect(open(bytes.slice(0, bytes.length >> 1))).rejects.toThrow(/cut off/);
    await expect(open(join(bytes, text('tail')))).rejects.toMatchObject({ code: 'model_invalid' });
  });
});
