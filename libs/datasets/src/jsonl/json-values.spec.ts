import fc from 'fast-check';
import { expect, it } from 'vitest';
import { jsonLayoutOf, oneValuePerLine, type JsonLayout } from './json-values.ts';

async function linesOf(text: string, layout: JsonLayout, piece = 7): Promise<string[]> {
  const bytes = Buffer.from(text);
  async function* pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let at = 0; at < bytes.byteLength; at += piece) yield bytes.subarray(at, at + piece);
  }
  const parts: Uint8Array[] = [];
  for await (const part of oneValuePerLine(pieces(), layout)) parts.push(part);
  return Buffer.concat(parts)
    .toString()
    .split('\n')
    .filter((line) => line.trim() !== '');
}

const row = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 3 }), { noNullPrototype: true });

it.each([undefined, 2, '\t'])('writes each row of an array as one line, with indent %j', async (indent) => {
  await fc.assert(
    fc.asyncProperty(fc.array(row), fc.integer({ min: 1, max: 40 }), async (rows, piece) => {
      const text = JSON.stringify(rows, undefined, indent);
      expect(jsonLayoutOf(Buffer.from(text))).toBe('array');
      const lines = await linesOf(text, 'array', piece);
      expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(JSON.parse(JSON.stringify(rows)));
    }),
  );
});

it('writes each of several rows over many lines as one line', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1 }), async (rows) => {
      const text = rows.map((own) => JSON.stringify(own, undefined, 2)).join('\n');
      const lines = await linesOf(text, 'values');
      expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(JSON.parse(JSON.stringify(rows)));
    }),
  );
});

it('knows files that have one row per line', () => {
  for (const text of ['{"a": 1}\n{"a": 2}', '{ "a":\n', '', 'x', '\n{}']) {
    expect(jsonLayoutOf(Buffer.from(text)), text).toBeUndefined();
  }
  expect(jsonLayoutOf(Buffer.from('\ufeff [\n{"a": 1}]'))).toBe('array');
  expect(jsonLayoutOf(Buffer.from('{\r\n  "a": 1\r\n}'))).toBe('values');
});

it('leaves what is not JSON as lines of their own, so that no neighbour is lost', async () => {
  expect(await linesOf('[{"a": "x\n}, {"a": 2}, nonsense, {"a": 3}] more', 'array')).toEqual([
    ' {"a": "x',
    '}',
    ' {"a": 2}',
    ' nonsense',
    ' {"a": 3}',
    ' more',
  ]);
});
