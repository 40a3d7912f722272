import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DATATYPES, type Tensor } from '@sconce/tensor';
import { decodeReplyEntry, encodeReplyEntry, type NumberedReply } from './reply-entry.ts';
import { decodeRequestEntry, encodeRequestEntry, type RequestEntry } from './request-entry.ts';
import type { RespPieces } from './resp-client.ts';

const bytesOf = ({ byteLength, pieces }: RespPieces): Buffer => {
  const bytes = Buffer.concat(pieces);
  expect(bytes.length).toBe(byteLength);
  return bytes;
};

const name = fc.string({ unit: 'grapheme', maxLength: 20 });
const tensor = fc.record({
  name,
  datatype: fc.constantFrom(...DATATYPES),
  shape: fc.array(fc.nat(2 ** 40), { maxLength: 8 }),
  data: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
}) satisfies fc.Arbitrary<Tensor>;
const time = fc.double({ min: 0, max: 1e13, noNaN: true });

const request = fc.record({
  number: fc.nat(2 ** 50),
  acceptedAtMs: time,
  deadlineMs: time,
  priority: fc.option(fc.integer({ min: 1, max: 255 }), { nil: undefined }),
  trace: fc.option(
    fc.record({
      traceparent: fc.constant('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'),
      tracestate: fc.option(fc.constant('vendor=1'), { nil: undefined }),
    }),
    { nil: undefined },
  ),
  outputs: fc.array(name, { maxLength: 3 }),
  inputs: fc.array(tensor, { maxLength: 3 }),
});
const entry = fc.record({
  deliveries: fc.nat(255),
  model: name,
  version: name,
  replyStream: name,
  number: fc.integer(),
  addedAtMs: time,
  requests: fc.array(request, { maxLength: 4 }),
}) satisfies fc.Arbitrary<RequestEntry>;
const reply = fc.record({
  number: fc.nat(2 ** 50),
  outcome: fc.oneof(
    fc.record({
      ok: fc.constant(true as const),
      outputs: fc.array(tensor, { maxLength: 3 }),
      timing: fc.record(
        { queueMs: time, batchMs: time, runMs: time, batchRows: fc.nat(), answeredAtMs: time },
        { requiredKeys: ['queueMs', 'batchMs', 'runMs', 'batchRows'] },
      ),
    }),
    fc.constant({
      ok: false as const,
      error: { code: 'invalid_tensor' as const, message: 'no', details: { param: 'x' } },
    }),
  ),
}) satisfies fc.Arbitrary<NumberedReply>;

describe('an entry of requests', () => {
  it('is read as it was written, also when a merged entry is written again', () => {
    fc.assert(
      fc.property(entry, (given) => {
        const read = decodeRequestEntry(bytesOf(encodeRequestEntry(given)));
        expect(read).toEqual(given);
        expect(bytesOf(encodeRequestEntry(read))).toEqual(bytesOf(encodeRequestEntry(given)));
      }),
    );
  });

  it('holds views of the inputs and no copies of them', () => {
    const data = Buffer.alloc(1_000, 1);
    const own = { number: 1, acceptedAtMs: 1, deadlineMs: 2, outputs: ['y'] };
    const inputs: Tensor[] = [{ name: 'x', datatype: 'UINT8', shape: [1_000], data }];
    const given = {
      deliveries: 0,
      model: 'm',
      version: '1',
      replyStream: 'r',
      number: 1,
      addedAtMs: 0,
      requests: [{ ...own, inputs }],
    };
    const encoded = encodeRequestEntry(given);
    expect(encoded.pieces[1]).toBe(data);
    const bytes = bytesOf(encoded);
    expect(decodeRequestEntry(bytes).requests[0]?.inputs[0]?.data.buffer).toBe(bytes.buffer);
  });

  it('is refused when its bytes end early or have another format', () => {
    const bytes = bytesOf(
      encodeRequestEntry({
        deliveries: 0,
        model: 'm',
        version: '1',
        replyStream: 'r',
        number: 1,
        addedAtMs: 0,
        requests: [],
      }),
    );
    expect(() => decodeRequestEntry(bytes.subarray(0, -1))).toThrow(RangeError);
    expect(() => decodeRequestEntry(Buffer.concat([Buffer.from([9]), bytes.subarray(1)]))).toThrow('format 9');
  });
});

describe('an entry of answers', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(fc.array(reply, { maxLength: 5 }), (given) => {
        expect(decodeReplyEntry(bytesOf(encodeReplyEntry(given)))).toEqual(given);
      }),
    );
  });
});

it('the memory of a large entry is freed when all its answers have been read', () => {
  const output = { name: 'y', datatype: 'UINT8' as const, shape: [40_000], data: new Uint8Array(40_000) };
  const timing = { queueMs: 1, batchMs: 1, runMs: 1, batchRows: 1 };
  const ok = (number: number): NumberedReply => ({ number, outcome: { ok: true, outputs: [output], timing } });
  const error = { code: 'internal' as const, message: 'no', details: {} };
  const bytes = bytesOf(encodeReplyEntry([ok(1), { number: 2, outcome: { ok: false, error } }, ok(3)]));
  const [first, , third] = decodeReplyEntry(bytes).map(({ outcome }) => (outcome.ok ? outcome : undefined));
  first?.memory?.end();
  expect(third?.outputs[0]?.data.byteLength).toBe(40_000);
  third?.memory?.end();
  expect([bytes.byteLength, third?.outputs[0]?.data.byteLength]).toEqual([0, 0]);
});

describe('the order of the datatypes', () => {
  it('stays as it is: entries of another release hold their positions', () => {
    expect(DATATYPES.join(' ')).toBe(
      'BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 BF16 FP32 FP64 BYTES',
    );
  });
});
