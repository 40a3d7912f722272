import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeInferParts, type InferResponse } from '../oip-response.ts';
import {
  DATATYPES,
  allocateView,
  beginAnswer,
  classify,
  encodeBytes,
  jsonElements,
  runToEnd,
  toBfloat16Bits,
  type Datatype,
  type Tensor,
} from '../index.ts';
import { bytesOf } from '../typed-view.ts';
import { classifySteps } from './classify-steps.ts';

const ODD_FLOATS = [0, -0, NaN, Infinity, -Infinity, 1.5, -2.25];

/** A tensor of `count` elements that repeat, with every kind of value. */
function tensorOf(datatype: Datatype, count: number, name = 'y'): Tensor {
  const shape = [count];
  if (datatype === 'BYTES') {
    const some = ['', 'text', 'é語😀', '"\\\n', 'x'.repeat(300)];
    return { name, datatype, shape, data: encodeBytes(Array.from({ length: count }, (_, i) => some[i % 5] ?? '')) };
  }
  const view = allocateView(datatype, count) as unknown as Record<number, number | bigint> & ArrayBufferView;
  for (let i = 0; i < count; i++) {
    const float = ODD_FLOATS[i % ODD_FLOATS.length] ?? 0;
    if (datatype === 'BOOL') view[i] = i % 2;
    else if (/^U?INT64$/.test(datatype)) view[i] = BigInt(i) * 10_000_000_000_001n;
    else if (datatype === 'BF16') view[i] = toBfloat16Bits(float);
    else view[i] = /^FP/.test(datatype) ? float : i % 100;
  }
  return { name, datatype, shape, data: bytesOf(view) };
}

function responseOf(outputs: readonly Tensor[], more: Partial<InferResponse['requested'][number]> = {}): InferResponse {
  const requested = outputs.map(({ name }) => ({ name, binary: false, ...more }));
  return { modelName: 'm', modelVersion: '1', id: 'id', outputs, requested };
}

function piecesOf(response: InferResponse): { pieces: string[]; binary: readonly Uint8Array[] } {
  const { json, binary } = runToEnd(beginAnswer(response));
  return { pieces: [...json], binary };
}

describe('an answer in pieces is the answer that is written at once', () => {
  it.each([...DATATYPES])('%s', (datatype) => {
    for (const count of [0, 1, 4_095, 4_096, 4_097, 20_000]) {
      const response = responseOf([tensorOf(datatype, count)]);
      const { pieces } = piecesOf(response);
      expect(pieces.join('')).toBe(encodeInferParts(response).json);
      for (const piece of pieces) expect(piece.length).toBeLessThan(150_000);
    }
  });

  it('binary and classified outputs between others', () => {
    const outputs = [tensorOf('FP32', 5_000, 'a'), tensorOf('INT8', 9_000, 'b'), tensorOf('BYTES', 5_000, 'c')];
    const response: InferResponse = {
      ...responseOf(outputs),
      parameters: { p: 1 },
      requested: [
        { name: 'c', binary: false },
        { name: 'a', binary: true },
        { name: 'b', binary: false, classification: 7 },
      ],
    };
    const { pieces, binary } = piecesOf(response);
    const once = encodeInferParts(response);
    expect(pieces.join('')).toBe(once.json);
    expect(binary).toEqual(once.binary);
    expect(jsonElements(response)).toBe((outputs[2]?.data.length ?? 0) / 4 + 9_000);
  });

  it('a long element is cut between characters', () => {
    for (const unit of ['é', '語', '😀', '\u0001']) {
      for (const offset of [0, 1, 2, 3]) {
        const tensor: Tensor = {
          name: 'y',
          datatype: 'BYTES',
          shape: [2],
          data: encodeBytes(['a'.repeat(offset) + unit.repeat(70_000), unit]),
        };
        const response = responseOf([tensor]);
        expect(piecesOf(response).pieces.join('') === encodeInferParts(response).json).toBe(true);
      }
    }
  });

  it('bytes that are no text are refused before the first piece', () => {
    const data = encodeBytes([...Array.from({ length: 9_000 }, () => 'text'), Uint8Array.of(0xff)]);
    const response = responseOf([{ name: 'y', datatype: 'BYTES', shape: [9_001], data }]);
    const code = 'invalid_request';
    expect(() => runToEnd(beginAnswer(response))).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(/element 9000/) }),
    );
    expect(() => encodeInferParts(response)).toThrow(expect.objectContaining({ code }));
  });
});

describe('classification in steps', () => {
  it('ranks as at once, with equal values in their order and NaN last', () => {
    const values = fc.constantFrom(NaN, -1, 0, 1, 1, 2, 3, Infinity);
    const cases = fc.tuple(
      fc.array(values, { minLength: 20, maxLength: 20 }),
      fc.constantFrom([1, 3], [3, 50], [1, 4_096], [2, 4_097], [1, 20_001]),
      fc.constantFrom(1, 5, 5_000, 100_000),
      fc.constantFrom<Datatype>('FP32', 'BF16', 'INT64'),
    );
    fc.assert(
      fc.property(cases, ([some, shape, count, datatype]) => {
        const length = (shape[0] ?? 1) * (shape[1] ?? 1);
        const view = allocateView(datatype as 'FP32', length) as unknown as Record<number, number | bigint> &
          ArrayBufferView;
        for (let i = 0; i < length; i++) {
          const value = some[(i * 7 + (i >> 3)) % some.length] ?? 0;
          const whole = Number.isFinite(value) ? value : 9;
          view[i] = datatype === 'INT64' ? BigInt(whole) : datatype === 'BF16' ? toBfloat16Bits(value) : value;
        }
        const tensor: Tensor = { name: 'y', datatype, shape, data: bytesOf(view) };
        expect(runToEnd(classifySteps(tensor, count))).toEqual(classify(tensor, count));
      }),
      { numRuns: 60 },
    );
  });

  it('refuses an answer of too many classes, and what cannot be ranked', () => {
    const many = tensorOf('FP32', 300_000);
    expect(() => runToEnd(classifySteps(many, 300_000))).toThrow(/300000 classes; expected at most 262144/);
    expect(runToEnd(classifySteps(many, 3)).shape).toEqual([3]);
    expect(() => runToEnd(classifySteps(tensorOf('BYTES', 2), 1))).toThrow(/expected numbers/);
  });
});
