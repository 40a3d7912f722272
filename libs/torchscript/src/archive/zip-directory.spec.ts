import { MemoryByteSource } from '@sconce/storage';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';

import { buildZip, join, type ZipFile, type ZipOptions } from '../../fixtures/archive/build-zip.ts';
import { DEFAULT_ARCHIVE_LIMITS } from './archive-limits.ts';
import { readZipDirectory, type ZipEntry } from './zip-directory.ts';
import { readStored, unpackRecord } from './zip-records.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

function read(bytes: Uint8Array, limits: Partial<typeof DEFAULT_ARCHIVE_LIMITS> = {}): Promise<ZipEntry[]> {
  return readZipDirectory(new MemoryByteSource(bytes), { ...DEFAULT_ARCHIVE_LIMITS, ...limits });
}

describe('readZipDirectory', () => {
  const body = text('a body that repeats, a body that repeats');
  const files: ZipFile[] = [
    { name: 'm/plain', data: body },
    { name: 'm/padded', data: body, padding: 45 },
    { name: 'm/deflated', data: deflateRawSync(body), method: 8, bytes: body.length, crc32: 0x0 },
    { name: 'm/wide', data: body, zip64: true },
    { name: 'm/empty', data: new Uint8Array(0) },
    { name: 'm/ünï', data: body },
  ];

  it.each<[string, ZipOptions]>([
    ['plain', {}],
    ['zip64', { zip64: true }],
    ['with a comment', { comment: text('a comment PK\x05\x06 with a signature') }],
  ])('finds the data of a %s archive', async (_, options) => {
    const bytes = buildZip(files, options);
    const entries = await read(bytes);
    expect(entries.map(({ name, method, bytes }) => [name, method, bytes])).toEqual([
      ['m/plain', 'stored', body.length],
      ['m/padded', 'stored', body.length],
      ['m/deflated', 'deflated', body.length],
      ['m/wide', 'stored', body.length],
      ['m/empty', 'stored', 0],
      ['m/ünï', 'stored', body.length],
    ]);
    for (const [i, { dataOffset, storedBytes }] of entries.entries()) {
      expect(Buffer.compare(bytes.subarray(dataOffset, dataOffset + storedBytes), files[i]?.data ?? text(''))).toBe(0);
    }
  });

  const one = (file: Partial<ZipFile>): Uint8Array => buildZip([{ name: 'm/a', data: body, ...file }]);
  const named = (name: string): [string, Uint8Array, RegExp] => [
    `the name ${JSON.stringify(name)}`,
    one({ name }),
    /entry named .* refused/,
  ];
  const sound = buildZip([{ name: 'm/a', data: body }]);
  const sound64 = buildZip([{ name: 'm/a', data: body }], { zip64: true });

  it.each<[string, Uint8Array, RegExp]>([
    ...['/abs', 'm/../x', '../x', '..', 'm\\x', 'C:/x', 'm//x', './x', 'a\0b', '', 'm/\n'].map(named),
    ['an encrypted entry', one({ flags: 1 }), /encrypted/],
    ['an unknown method', one({ method: 12 }), /method 12; only stored and deflated/],
    ['a stored entry with two different sizes', one({ bytes: 3 }), /two sizes/],
    [
      'a name that occurs twice',
      buildZip([
        { name: 'm/a', data: body },
        { name: 'm/a', data: body },
      ]),
      /twice/,
    ],
    ['a local header with another name', one({ localName: 'm/b' }), /own header/],
    ['a local header with a longer name', one({ localName: 'm/bb' }), /own header/],
    ['a wrong offset of the local header', one({ offsetError: 3 }), /own header|outside/],
    ['an entry outside the file', one({ offsetError: 1e6 }), /outside the file/],
    ['overlapping entries', overlapping(body), /overlaps/],
    [
      'a number of entries that is too large',
      buildZip([{ name: 'm/a', data: body }], { entries: 2 }),
      /number of entries/,
    ],
    ['a number of entries that is too small', buildZip(files, { entries: 1 }), /longer than its entries/],
    ['bytes after the archive', join(sound, text('x')), /no zip directory at its end/],
    ['bytes before the archive', join(text('x'), sound), /is not where its end record says/],
    ['bytes before a zip64 archive', join(text('x'), sound64), /zip64 end record is not where/],
    ['a file that ends early', sound.slice(0, 60), /cut off/],
  ])('refuses %s', async (_, bytes, message) => {
    await expect(read(bytes)).rejects.toThrow(message);
    await expect(read(bytes)).rejects.toMatchObject({ code: 'model_invalid', details: { stage: 'archive' } });
  });

  it.each([
    ['entries', { maxEntries: 5 }, /6 entries; at most 5/],
    ['bytes of directory', { maxDirectoryBytes: 100 }, /bytes of directory; at most 100/],
  ])('reads no more %s than the limit allows', async (_, limits, message) => {
    await expect(read(buildZip(files), limits)).rejects.toThrow(message);
  });
});

/** The second entry's header is inside the first entry's data, as in bombs that use one piece of data many times. */
function overlapping(body: Uint8Array): Uint8Array {
  const inner = buildZip([{ name: 'm/b', data: body }]);
  const header = inner.subarray(0, 30 + 'm/b'.length + body.length);
  return buildZip([
    { name: 'm/a', data: join(header) },
    { name: 'm/b', data: body, offsetError: -header.length },
  ]);
}

describe('unpackRecord', () => {
  it.each([
    ['stored', { data: text('abc') }],
    ['deflated', { data: Uint8Array.from(deflateRawSync(text('abc'))), method: 8, bytes: 3 }],
  ])('checks the CRC-32 of a %s record', async (_, file) => {
    const source = new MemoryByteSource(buildZip([{ name: 'm/a', ...file, crc32: 0x352441c2 }]));
    const [entry] = await readZipDirectory(source, DEFAULT_ARCHIVE_LIMITS);
    if (entry === undefined) throw new Error('no entry');
    const [data = text('')] = await readStored(source, [entry]);
    expect(new TextDecoder().decode(unpackRecord(entry, data))).toBe('abc');
    expect(() => unpackRecord({ ...entry, crc32: 1 }, data)).toThrow(/m\/a is corrupt/);
  });
});
