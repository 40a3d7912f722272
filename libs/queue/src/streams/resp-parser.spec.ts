import * as fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { RespError, RespParser, type RespReply } from './resp-parser.ts';

function parse(chunks: readonly Buffer[]): RespReply[] {
  const replies: RespReply[] = [];
  const parser = new RespParser((reply) => replies.push(reply));
  for (const chunk of chunks) parser.push(chunk);
  return replies;
}

/** The bytes in which Redis sends a reply. */
function encode(reply: RespReply): Buffer {
  if (reply === null) return Buffer.from('$-1\r\n');
  if (typeof reply === 'number') return Buffer.from(`:${reply}\r\n`);
  if (typeof reply === 'string') return Buffer.from(`+${reply}\r\n`);
  if (reply instanceof RespError) return Buffer.from(`-${reply.message}\r\n`);
  if (Buffer.isBuffer(reply)) return Buffer.concat([Buffer.from(`$${reply.length}\r\n`), reply, Buffer.from('\r\n')]);
  return Buffer.concat([Buffer.from(`*${reply.length}\r\n`), ...reply.map(encode)]);
}

const text = fc.string({ unit: 'grapheme-ascii' }).map((value) => value.replace(/[\r\n]/g, ''));
const { reply } = fc.letrec<{ reply: RespReply }>((tie) => ({
  reply: fc.oneof(
    { maxDepth: 3 },
    fc.constant(null),
    fc.integer(),
    text,
    text.map((message) => new RespError(`ERR ${message}`)),
    fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)),
    fc.array(tie('reply'), { maxLength: 5 }),
  ),
}));

describe('RespParser', () => {
  it('reads every kind of reply, however the bytes are cut into chunks', () => {
    fc.assert(
      fc.property(fc.array(reply, { maxLength: 6 }), fc.array(fc.nat(40)), (replies, cuts) => {
        const bytes = Buffer.concat(replies.map(encode));
        const chunks: Buffer[] = [];
        let at = 0;
        for (const cut of cuts) {
          chunks.push(bytes.subarray(at, at + cut));
          at += cut;
        }
        chunks.push(bytes.subarray(at));
        expect(parse(chunks.filter(({ length }) => length > 0))).toEqual(replies);
      }),
      { numRuns: 500 },
    );
  });

  it('keeps nothing of a chunk: its memory can be used again', () => {
    const expected = [Buffer.from('abc'), 'simple', [Buffer.alloc(5_000, 3), Buffer.from('defg')], Buffer.alloc(0)];
    const bytes = Buffer.concat(expected.map(encode));
    const memory = Buffer.alloc(100);
    const replies: RespReply[] = [];
    const parser = new RespParser((reply) => replies.push(reply));
    for (let at = 0; at < bytes.length; at += memory.length) {
      parser.push(memory.subarray(0, bytes.copy(memory, 0, at)));
      memory.fill(0xff);
    }
    expect(replies).toEqual(expected);
  });

  it('copies a large bulk string of many chunks once', () => {
    const large = Buffer.alloc(3_000_000, 7);
    const bytes = encode([large, large]);
    const chunks = Array.from({ length: 100 }, (_, n) => bytes.subarray(n * 64_000, (n + 1) * 64_000));
    const allocate = vi.spyOn(Buffer, 'allocUnsafe');
    const concat = vi.spyOn(Buffer, 'concat');
    const [values] = parse(chunks.filter(({ length }) => length > 0)) as [Buffer[]];
    expect(values.map((value) => value.equals(large))).toEqual([true, true]);
    expect(allocate.mock.calls).toEqual([[large.length], [large.length]]);
    expect(concat).not.toHaveBeenCalled();
    vi.restoreAllMocks();
  });

  it('takes the rest of a large bulk string in its own memory', () => {
    const sizes = fc.array(fc.oneof(fc.nat(100), fc.integer({ min: 16_000, max: 60_000 })), { maxLength: 5 });
    fc.assert(
      fc.property(sizes, fc.array(fc.integer({ min: 1, max: 40_000 })), (lengths, reads) => {
        const expected = lengths.map((length, n) => Buffer.alloc(length, n + 1));
        const bytes = encode(expected);
        const replies: RespReply[] = [];
        const parser = new RespParser((reply) => replies.push(reply));
        const memory = Buffer.alloc(20_000);
        let direct = 0;
        for (let at = 0, n = 0; at < bytes.length; n++) {
          const target = parser.room ?? memory;
          const read = bytes.copy(target, 0, at, at + (reads[n % (reads.length + 1)] ?? 20_000));
          if (target === memory) parser.push(memory.subarray(0, read));
          else parser.filled(read);
          direct += target === memory ? 0 : read;
          memory.fill(0xff);
          at += read;
        }
        expect(replies).toEqual([expected]);
        if (lengths.some((length) => length > 40_000)) expect(direct).toBeGreaterThan(0);
      }),
      { numRuns: 200 },
    );
  });

  it('refuses bytes that begin no reply', () => {
    expect(() => parse([Buffer.from('?what\r\n')])).toThrow('unknown type 0x3f');
  });
});
