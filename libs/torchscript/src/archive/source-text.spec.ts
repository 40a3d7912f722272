import { MemoryByteSource } from '@sconce/storage';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';

import { P, pickle } from '../../fixtures/archive/build-pickle.ts';
import { join } from '../../fixtures/archive/build-zip.ts';
import { DEFAULT_ARCHIVE_LIMITS } from './archive-limits.ts';
import { openArchive } from './open-archive.ts';
import { ArchiveSourceText } from './source-text.ts';
import type { SourceOrigin, SourceText } from './torchscript-archive.ts';

async function sourceOf(name: string, path = '__torch__.py'): Promise<SourceText> {
  const bytes = await readFile(new URL(`../../fixtures/archive/${name}`, import.meta.url));
  const source = (await openArchive(new MemoryByteSource(bytes))).sources.get(path);
  if (source === undefined) throw new Error(`no ${path}`);
  return source;
}

/** The author's lines of the fixtures' generator. */
const generator = (await readFile(new URL('../../fixtures/archive/make.py', import.meta.url), 'utf8')).split('\n');
const lineOf = (text: string): number => generator.indexOf(text) + 1;
const RETURN = '        return torch.relu(self.linear(x))';

describe('originAt', () => {
  it.each(['scripted.pt', 'legacy-text.pt'])('finds line, column and text of scripted code in %s', async (name) => {
    const source = await sourceOf(name);
    const origin = source.originAt(source.text.indexOf('torch.relu'));
    expect(origin).toEqual({
      ...{ file: '/src/make.py', line: lineOf(RETURN), column: 8 + 'return '.length, text: RETURN, stack: [] },
    } satisfies SourceOrigin);
  });

  it('gives the stack of traced code, innermost frame first', async () => {
    const source = await sourceOf('traced.pt', '__torch__/torch/nn/modules/linear.py');
    const origin = source.originAt(source.text.indexOf('torch.linear'));
    expect(origin?.file).toMatch(/torch\/nn\/modules\/linear\.py$/);
    expect(origin?.stack[0]).toBe(`${origin?.file ?? ''}(${origin?.line ?? 0}): forward`);
    expect(origin?.stack).toContain(`/src/make.py(${lineOf(RETURN)}): forward`);
    expect(origin?.stack.at(-1)).toMatch(/^\/src\/make\.py\(\d+\): <module>$/);
    expect(origin).not.toHaveProperty('column');
  });

  it('returns undefined if nothing is recorded', async () => {
    const source = await sourceOf('scripted.pt');
    expect(source.originAt(0)).toBeUndefined();
    expect(source.originAt(-1)).toBeUndefined();
  });
});

/** `(offset, ((text, file, line), start, end))`, as PyTorch wrote records before string tables. */
function record(offset: number, text: string, file: Uint8Array, line: number, start: number): Uint8Array {
  const source = join(P.text(text), file, P.int(line), P.tuple3);
  return join(P.int(offset), source, P.int(start), P.int(start + 1), P.tuple3, P.tuple2);
}

function sourceWith(...records: Uint8Array[]): SourceText {
  const debug = pickle(P.mark, ...records, P.tuple);
  return new ArchiveSourceText('a.py', 'x'.repeat(100), () => debug, DEFAULT_ARCHIVE_LIMITS);
}

describe('records made by hand', () => {
  const file = P.text('f.py');

  it('are found by the last offset at or before the given one, in any order of records', () => {
    const source = sourceWith(record(50, 'b', file, 2, 0), record(10, 'a', file, 1, 0));
    const lines = [9, 10, 49, 50, 1000].map((offset) => source.originAt(offset)?.line);
    expect(lines).toEqual([undefined, 1, 1, 2, 2]);
  });

  it('count bytes in the record and characters in the column', () => {
    const text = 'ä = "ö"\n  ü = ß(1)\nend';
    const start = new TextEncoder().encode('ä = "ö"\n  ü = ').length;
    expect(sourceWith(record(0, text, file, 7, start)).originAt(0)).toMatchObject({
      line: 8,
      column: 6,
      text: '  ü = ß(1)',
    });
  });

  it.each([
    ['a start after the text', record(0, 'a\nb', file, 1, 99), { line: 2, text: 'b' }],
    ['a negative start', record(0, 'a\nb', file, 1, -5), { line: 1, text: 'a' }],
    ['a stack without file', record(0, 'f.py(3): g\nh.py(4): m\n', P.none, 0, 0), { file: 'f.py', line: 3 }],
  ])('bear %s', (_, bytes, expected) => {
    expect(sourceWith(bytes).originAt(5)).toMatchObject(expected);
  });

  it.each([
    ['no file', record(0, 'a', P.none, 1, 0)],
    ['no text', record(0, '', file, 1, 0)],
    ['something else', P.none],
    ['a class', join(P.global('os', 'system'))],
  ])('with %s are ignored', (_, bytes) => {
    expect(sourceWith(bytes).originAt(5)).toBeUndefined();
  });

  it('cannot make a huge text of a few strings', () => {
    const indices = join(P.emptyList, P.mark, ...Array<Uint8Array>(3000).fill(P.int(0)), P.appends);
    const source = join(indices, P.int(1), P.int(1), P.tuple3);
    const range = join(P.int(0), source, P.int(0), P.int(1), P.tuple3, P.tuple2);
    const strings = join(P.text('x'.repeat(1000)), P.text('f.py'), P.tuple2);
    const debug = pickle(P.text('FORMAT_WITH_STRING_TABLE'), strings, range, P.tuple1, P.tuple3);
    expect(new ArchiveSourceText('a.py', '', () => debug, DEFAULT_ARCHIVE_LIMITS).originAt(0)).toBeUndefined();
  });
});
