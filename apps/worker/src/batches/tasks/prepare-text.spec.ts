import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { expect, it } from 'vitest';
import type { BatchSpec } from '@sconce/contracts';
import { openBlobStore, storageConfigSchema } from '@sconce/storage';
import { temporaryFolder } from '@sconce/testing';
import { DATASET_LIMITS } from '../dataset-limits.ts';
import { DatasetSources } from '../dataset-sources.ts';
import { tableSpec } from '../testing/table-batch.ts';
import { prepareText } from './prepare-text.ts';
import type { TaskContext } from './task-context.ts';

const folder = temporaryFolder('prepare-text');
const store = await openBlobStore(storageConfigSchema.parse({ root: join(folder, 'store') }));
const sources = new DatasetSources(store, { roots: [], s3: {} });
const context: TaskContext = {
  store,
  sources,
  limits: DATASET_LIMITS,
  signal: new AbortController().signal,
  run: () => Promise.reject(new Error('nothing runs')),
};

/** The text that readers get, and whether it is the file itself. */
async function prepared(bytes: Uint8Array, over: Partial<BatchSpec> = {}): Promise<{ text: string; same: boolean }> {
  await store.put('rows', bytes, { maxBytes: 2 ** 20 });
  const pinned = await sources.pin({ kind: 'blob', key: 'rows' });
  const ready = await prepareText(pinned, { batchId: 'batch', spec: tableSpec('rows', over) }, context);
  await using source = await sources.open(ready);
  const text = Buffer.from(await source.read(0, source.size)).toString('utf8');
  return { text, same: ready === pinned };
}

const TEXT = 'name,x\nMüller,1\n';
const utf16 = (text: string): Buffer => Buffer.from(`\ufeff${text}`, 'utf16le');
const latin1 = { table: { encoding: 'latin1' } };

it.each<[string, Uint8Array, Partial<BatchSpec>]>([
  ['gzip', gzipSync(TEXT), {}],
  ['zstd', zstdCompressSync(TEXT), {}],
  ['UTF-16 with a mark', utf16(TEXT), {}],
  ['UTF-16 big-endian with a mark', utf16(TEXT).swap16(), {}],
  ['UTF-16 with a mark in gzip', gzipSync(utf16(TEXT)), {}],
  ['latin1 by its name', Buffer.from(TEXT, 'latin1'), latin1],
  ['latin1 in zstd by its name', zstdCompressSync(Buffer.from(TEXT, 'latin1')), latin1],
])('makes %s a text in UTF-8', async (_what, bytes, over) => {
  expect(await prepared(bytes, over)).toEqual({ text: TEXT, same: false });
});

it('leaves text alone that needs no change', async () => {
  expect(await prepared(Buffer.from(TEXT))).toEqual({ text: TEXT, same: true });
  expect(await prepared(Buffer.from(TEXT), { table: { encoding: 'UTF-8' } })).toEqual({ text: TEXT, same: true });
  const lines = '{"x": 1}\n{"x": 2}\n';
  expect(await prepared(Buffer.from(lines), { format: 'jsonl' })).toEqual({ text: lines, same: true });
});

it.each<[string, string]>([
  ['array', '[\n  {"x": 1},\n  {"x": 2}\n]\n'],
  ['pretty values', '{\n  "x": 1\n}\n{\n  "x": 2\n}\n'],
])('makes JSON that is one %s one row per line, also compressed and in UTF-16', async (_what, json) => {
  for (const bytes of [Buffer.from(json), gzipSync(json), utf16(json)]) {
    const { text } = await prepared(bytes, { format: 'jsonl' });
    const rows = text.split('\n').filter((line) => line.trim() !== '');
    expect(rows.map((row) => JSON.parse(row) as unknown)).toEqual([{ x: 1 }, { x: 2 }]);
  }
});

it.each<[string, number[], RegExp]>([
  ['bzip2', [0x42, 0x5a, 0x68, 0x39], /compressed with bzip2, which is not supported: unpack it/],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], /compressed with xz/],
  ['zip', [0x50, 0x4b, 0x03, 0x04], /compressed with zip/],
])('refuses %s by its name', async (_what, bytes, message) => {
  await expect(prepared(Uint8Array.from(bytes))).rejects.toThrow(message);
});

it('refuses damaged zstd, a cut off gzip and unknown encodings', async () => {
  const damaged = zstdCompressSync(Buffer.alloc(5_000, 'abcdefg')).fill(0xaa, 8);
  await expect(prepared(damaged)).rejects.toMatchObject({ code: 'invalid_dataset' });
  await expect(prepared(gzipSync(TEXT).subarray(0, 20))).rejects.toThrow(
    /gzip file cannot be unpacked: it is truncated/,
  );
  await expect(prepared(Buffer.from(TEXT), { table: { encoding: 'ebcdic' } })).rejects.toThrow(/"ebcdic" is not known/);
});
