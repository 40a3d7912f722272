import { MemoryByteSource } from '@sconce/storage';
import { expect, it } from 'vitest';
import { expectedColumns, fixture, readColumns } from '../../fixtures/fixture-rows.ts';
import { readPageHeader, type PageHeader } from './page-header.ts';
import { readFooter } from './parquet-footer.ts';
import { openParquet } from './parquet-reader.ts';
import { faultsOfWriter } from './writer-faults.ts';

type Edit = (header: PageHeader) => PageHeader | undefined;

const uncompressed: Edit = (header) =>
  header.v2 === undefined ? undefined : { ...header, v2: { ...header.v2, compressed: false } };
const fewerRows: Edit = (header) =>
  header.v2 === undefined || header.v2.rows < 1
    ? undefined
    : { ...header, v2: { ...header.v2, rows: header.v2.rows - 1 } };

/** The columns whose data pages are all compressed. The writer leaves a page as it is if compression does not make it smaller. */
async function compressedColumns(bytes: Buffer): Promise<string[]> {
  const { groups, columns } = await readFooter(new MemoryByteSource(bytes));
  const plain = new Set<string>();
  for (const { chunks } of groups) {
    for (const [index, { start, end }] of chunks.entries()) {
      for (let at = start; at < end;) {
        const { v2, headerBytes, compressedBytes } = readPageHeader(bytes.subarray(at));
        if (v2?.compressed === false) plain.add(columns[index]?.name ?? '');
        at += headerBytes + compressedBytes;
      }
    }
  }
  return columns.map(({ name }) => name).filter((name) => !plain.has(name));
}

/** Changes one byte of the header of each page so that it is read as `edit` says. Returns the number of changed pages. */
async function editPages(bytes: Buffer, edit: Edit): Promise<number> {
  const { groups } = await readFooter(new MemoryByteSource(bytes));
  let changed = 0;
  for (const { start, end } of groups.flatMap(({ chunks }) => chunks)) {
    for (let at = start; at < end;) {
      const header = readPageHeader(bytes.subarray(at));
      const wanted = edit(header);
      if (wanted !== undefined && editByte(bytes.subarray(at, at + header.headerBytes), wanted)) changed += 1;
      at += header.headerBytes + header.compressedBytes;
    }
  }
  return changed;
}

function editByte(header: Buffer, wanted: PageHeader): boolean {
  for (let index = 0; index < header.length; index++) {
    const before = header[index] ?? 0;
    for (const change of [1, -2]) {
      header[index] = before + change;
      try {
        if (JSON.stringify(readPageHeader(header)) === JSON.stringify(wanted)) return true;
      } catch {
        // Another byte may be the one.
      }
    }
    header[index] = before;
  }
  return false;
}

/** The fixture as another version of the writer would have named itself. */
async function writtenBy(file: string, version: string): Promise<Buffer> {
  const source = await fixture(file);
  const bytes = Buffer.from(await source.read(0, source.size));
  const name = 'parquet-cpp-arrow version ';
  const at = bytes.indexOf(name);
  bytes.write(version, at + name.length);
  return bytes;
}

const columnsOf = async (bytes: Buffer, columns?: readonly string[]): Promise<Record<string, unknown[]>> => {
  await using reader = await openParquet(new MemoryByteSource(bytes));
  return readColumns(reader, columns === undefined ? {} : { columns });
};

it('reads pages of version 2 that say they are not compressed, if Arrow before 3.0 wrote them', async () => {
  const old = await writtenBy('flat-v2-zstd-plain.parquet', '2.00.');
  const columns = await compressedColumns(old);
  expect(columns.length).toBeGreaterThan(3);
  expect(await editPages(old, uncompressed)).toBeGreaterThan(10);
  expect(await expectedColumns('flat')).toMatchObject(await columnsOf(old, columns));
  const newer = await writtenBy('flat-v2-zstd-plain.parquet', '3.00.');
  await editPages(newer, uncompressed);
  await expect(columnsOf(newer, columns)).rejects.toThrow(/damaged/);
});

it('reads lists in pages whose number of rows is wrong, if an older Arrow wrote them', async () => {
  const old = await writtenBy('lists-v2-zstd.parquet', '8.00.');
  expect(await editPages(old, fewerRows)).toBeGreaterThan(20);
  expect(await columnsOf(old)).toEqual(await expectedColumns('lists'));
  await using reader = await openParquet(new MemoryByteSource(old));
  const late = await readColumns(reader, { range: { firstRow: 90, rows: 30, offset: 0, length: 0 }, blockRows: 7 });
  const expected = await expectedColumns('lists');
  expect(late['float32s']).toEqual(expected['float32s']?.slice(90));
});

it.each([
  ['parquet-cpp version 1.5.1-SNAPSHOT', true, true],
  ['parquet-cpp-arrow version 2.0.0', true, true],
  ['parquet-cpp-arrow version 8.0.0', false, true],
  ['parquet-cpp-arrow version 25.0.1', false, false],
  ['parquet-mr version 1.2.0', false, false],
  [undefined, false, false],
])('knows the faults of %s', (createdBy, alwaysCompressed, wrongRows) => {
  expect(faultsOfWriter(createdBy)).toEqual({ alwaysCompressed, wrongRows });
});
