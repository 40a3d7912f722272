import { constants, deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';

import { Random } from '../../fuzz/random.ts';
import { inflate } from './inflate.ts';

const STRATEGIES = [
  constants.Z_DEFAULT_STRATEGY,
  constants.Z_FILTERED,
  constants.Z_HUFFMAN_ONLY,
  constants.Z_RLE,
  constants.Z_FIXED,
];

/** Data with near and far repetitions, over small and large alphabets. */
function sample(random: Random): Uint8Array {
  const bytes = new Uint8Array(random.below(4) === 0 ? random.below(100_000) : random.below(2000));
  const alphabet = 1 + random.below(256);
  for (let i = 0; i < bytes.length; i++) {
    const back = 1 + random.below(random.below(2) === 0 ? 12 : 40_000);
    bytes[i] = back <= i && random.below(3) > 0 ? (bytes[i - back] ?? 0) : random.below(alphabet);
  }
  return bytes;
}

describe('inflate', () => {
  it('reads data that zlib writes at every level and strategy', () => {
    const random = new Random(1);
    for (let round = 0; round < 200; round++) {
      const bytes = sample(random);
      const options = { level: random.below(10), strategy: random.pick(STRATEGIES), memLevel: 1 + random.below(9) };
      const result = inflate(deflateRawSync(bytes, options), bytes.length, 'r');
      expect(Buffer.compare(result, bytes), JSON.stringify({ round, ...options })).toBe(0);
    }
  });

  const text = new TextEncoder().encode('def forward(self, x): return x\n'.repeat(20));
  const deflated = Uint8Array.from(deflateRawSync(text));

  it.each([
    ['more bytes than declared', deflated, text.length - 1, /more bytes/],
    ['fewer bytes than declared', deflated, text.length + 1, /fewer bytes/],
    ['bytes after the end', Uint8Array.from([...deflated, 0]), text.length, /left over/],
    ['a bomb', deflateRawSync(new Uint8Array(1_000_000)), 10, /more bytes/],
    ['a size that deflate data cannot have', deflated, 2 ** 40, /cannot have as many/],
    ['an unknown block', Uint8Array.of(7), 0, /invalid block type/],
    ['a stored block with two different lengths', Uint8Array.of(1, 1, 0, 0, 0, 65), 1, /invalid stored block lengths/],
    ['a stored block that is cut off', Uint8Array.of(1, 2, 0, 0xfd, 0xff, 65), 2, /cut off/],
    ['nothing', new Uint8Array(0), 0, /cut off/],
    // Fixed codes: length 3 at distance 1, with no bytes before it.
    ['a distance to before the start', Uint8Array.of(0x03, 0x02, 0), 3, /invalid distance too far back/],
  ])('refuses %s', (_, data, length, message) => {
    expect(() => inflate(data, length, 'code/a.py')).toThrow(message);
    expect(() => inflate(data, length, 'code/a.py')).toThrow(expect.objectContaining({ code: 'model_invalid' }));
  });

  it('stops at the declared length of a bomb', () => {
    const piece = deflateRawSync(Buffer.alloc(64 * 2 ** 20), { finishFlush: constants.Z_SYNC_FLUSH });
    const bomb = Uint8Array.from(Buffer.concat([...Array<Buffer>(64).fill(piece), deflateRawSync('')]));
    const before = process.memoryUsage().arrayBuffers;
    expect(() => inflate(bomb, 10, 'r')).toThrow(/more bytes/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
  });

  it('refuses data cut off anywhere', () => {
    for (let end = 0; end < deflated.length; end++) {
      expect(() => inflate(deflated.slice(0, end), text.length, 'r')).toThrow(/corrupt/);
    }
  });

  it('succeeds or refuses after every change of a bit', () => {
    const random = new Random(2);
    for (let round = 0; round < 2000; round++) {
      const bytes = deflated.slice();
      const at = random.below(bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      try {
        expect(inflate(bytes, text.length, 'r')).toHaveLength(text.length);
      } catch (error) {
        expect(error).toMatchObject({ code: 'model_invalid' });
      }
    }
  });
});
