import fc from 'fast-check';
import { expect, it } from 'vitest';
import { encodingOf, transcoded } from './transcode.ts';

/** UTF-8 of bytes that arrive in pieces of any size. */
async function utf8Of(bytes: Uint8Array, encoding: string, piece: number): Promise<Buffer> {
  async function* pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let at = 0; at < bytes.byteLength; at += piece) yield bytes.subarray(at, at + piece);
  }
  const parts: Uint8Array[] = [];
  for await (const part of transcoded(pieces(), encoding)) parts.push(part);
  return Buffer.concat(parts);
}

it.each<[string, string, readonly number[], string]>([
  ['latin1', 'windows-1252', [0x4d, 0xfc, 0x80], 'Mü€'],
  ['Latin-1', 'windows-1252', [0xe9], 'é'],
  ['cp1252', 'windows-1252', [0x93], '“'],
  ['Shift_JIS', 'shift_jis', [0x93, 0xfa, 0x96, 0x7b], '日本'],
  ['cp932', 'shift_jis', [0x93, 0xfa], '日'],
  ['GB18030', 'gb18030', [0xd6, 0xd0, 0x81, 0x30, 0x81, 0x30], '中\u0080'],
  ['utf_16_be', 'utf-16be', [0x00, 0x41, 0x65, 0xe5], 'A日'],
])('reads %s as %s, in pieces of any size', async (name, encoding, bytes, text) => {
  expect(encodingOf(Uint8Array.from([0x41]), name.replaceAll('utf_16_be', 'utf-16be'))).toBe(encoding);
  for (const piece of [1, 2, 3, 100]) {
    expect((await utf8Of(Uint8Array.from(bytes), encoding, piece)).toString()).toBe(text);
  }
});

it.each<[string, readonly number[], string | undefined]>([
  ['UTF-16 little-endian by its mark', [0xff, 0xfe, 0x41, 0x00], 'utf-16le'],
  ['UTF-16 big-endian by its mark', [0xfe, 0xff, 0x00, 0x41], 'utf-16be'],
  ['UTF-8 with a mark', [0xef, 0xbb, 0xbf, 0x41], undefined],
  ['UTF-8', [0x41], undefined],
])('finds %s', (_what, head, encoding) => {
  expect(encodingOf(Uint8Array.from(head), undefined)).toBe(encoding);
});

it('refuses UTF-32 and unknown names, and says which names there are', () => {
  expect(() => encodingOf(Uint8Array.from([0xff, 0xfe, 0, 0]), undefined)).toThrow(/UTF-32: write it as UTF-8/);
  expect(() => encodingOf(new Uint8Array(0), 'klingon')).toThrow(/"klingon" is not known: use a name such as utf-8/);
});

it('keeps any text, and marks bytes that the encoding lacks as not UTF-8', async () => {
  const text = fc.string({ unit: 'binary', maxLength: 50 }).filter((own) => !own.includes('\ufffd'));
  await fc.assert(
    fc.asyncProperty(text, fc.integer({ min: 1, max: 9 }), async (own, piece) => {
      const read = await utf8Of(Buffer.from(`\ufeff${own}`, 'utf16le'), 'utf-16le', piece);
      expect(read.toString()).toBe(own);
    }),
  );
  const broken = await utf8Of(Uint8Array.from([0x61, 0x81, 0x0a, 0x62]), 'shift_jis', 4);
  expect([...broken].filter((byte) => byte === 0xff)).toHaveLength(1);
  expect(broken.toString('latin1')).toMatch(/^a\xff.*\n?b$/s);
});
