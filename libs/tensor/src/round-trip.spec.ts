import { SconceError } from '@sconce/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DATATYPES,
  DATATYPE_BYTES,
  checkTensor,
  concatRows,
  decodeFrame,
  decodeInferRequest,
  decodeInferResponse,
  elementCount,
  encodeBytes,
  encodeFrame,
  encodeInferRequest,
  encodeInferResponse,
  padRows,
  sliceRows,
  splitRows,
  viewOf,
  type Datatype,
  type Tensor,
} from './index.ts';

/** The values of a tensor: any bits, values of a JSON response (with one NaN), or values of a JSON request. */
type Values = 'bits' | 'response' | 'request';

const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });

function tensors(datatype: Datatype, values: Values, shape: fc.Arbitrary<number[]> = shapes): fc.Arbitrary<Tensor> {
  return fc.tuple(fc.string({ unit: 'binary', maxLength: 5 }), shape).chain(([name, dimensions]) => {
    const length = elementCount(dimensions);
    const size = DATATYPE_BYTES[datatype];
    const text: fc.Arbitrary<string> = fc.string({ unit: 'binary', maxLength: 6 });
    const element: fc.Arbitrary<string | Uint8Array> = values === 'bits' ? fc.uint8Array({ maxLength: 6 }) : text;
    const data =
      size === null
        ? fc.array(element, { minLength: length, maxLength: length }).map(encodeBytes)
        : fc
            .uint8Array({ minLength: length * size, maxLength: length * size })
            .map((bytes) => sanitize({ name, datatype, shape: dimensions, data: bytes }, values));
    return data.map((bytes) => ({ name, datatype, shape: dimensions, data: bytes }));
  });
}

/** Makes random bytes valid values of the datatype. */
function sanitize(tensor: Tensor, values: Values): Uint8Array {
  const { datatype } = tensor;
  if (datatype === 'BOOL') return tensor.data.map((byte) => byte & 1);
  if (values === 'bits') return tensor.data;
  if (datatype === 'BF16') {
    const view = viewOf({ ...tensor, datatype });
    view.forEach((word, index) => {
      if ((word & 0x7f80) === 0x7f80) view[index] = values === 'request' ? word & 0xff7f : 0x7f80;
    });
    return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  }
  if (datatype !== 'FP16' && datatype !== 'FP32' && datatype !== 'FP64') return tensor.data;
  const view = viewOf({ ...tensor, datatype });
  for (let index = 0; index < view.length; index++) {
    const value = view[index] ?? 0;
    if (Number.isNaN(value)) view[index] = values === 'request' ? -0 : NaN;
    else if (!Number.isFinite(value) && values === 'request') view[index] = 1;
  }
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

const plain = ({ name, datatype, shape, data }: Tensor) => ({
  name,
  datatype,
  shape: [...shape],
  data: Buffer.from(data).toString('hex'),
});

describe.each(DATATYPES)('%s', (datatype) => {
  it.each(['JSON', 'binary'] as const)('survives a request as %s', (form) => {
    const binary = form === 'binary';
    fc.assert(
      fc.property(tensors(datatype, binary ? 'bits' : 'request'), (tensor) => {
        const { body, headerLength } = encodeInferRequest({ inputs: [tensor], binary });
        const signature = { inputs: [{ ...tensor, shape: tensor.shape.map(() => -1) }], outputs: [] };
        const [back] = decodeInferRequest({ body, headerLength, signature }).inputs;
        expect(back && plain(back)).toEqual(plain(tensor));
      }),
    );
  });

  it.each(['JSON', 'binary'] as const)('survives a response as %s', (form) => {
    const binary = form === 'binary';
    fc.assert(
      fc.property(tensors(datatype, binary ? 'bits' : 'response'), (tensor) => {
        const { body, headerLength } = encodeInferResponse({
          modelName: 'm',
          outputs: [tensor],
          requested: [{ name: tensor.name, binary }],
        });
        const [back] = decodeInferResponse(body, headerLength).outputs;
        expect(back && plain(back)).toEqual(plain(tensor));
      }),
    );
  });

  it('is the same from nested JSON as from flat JSON', () => {
    const signature = { inputs: [{ name: 'x', datatype, shape: [-1, -1, -1] }], outputs: [] };
    const shape = fc.tuple(...Array.from({ length: 3 }, () => fc.integer({ min: 1, max: 4 })));
    fc.assert(
      fc.property(tensors(datatype, 'request', shape), (tensor) => {
        const { body } = encodeInferRequest({ inputs: [{ ...tensor, name: 'x' }], binary: false });
        // Groups the text of the elements, so that the test does not parse numbers.
        const [, data] = /"data":\[(.*)\]\}\]\}$/su.exec(body.toString()) ?? [];
        const elements = (data ?? '').match(/"(?:[^"\\]|\\.)*"|[^,]+/gsu) ?? [];
        const [, rows = 1, columns = 1] = tensor.shape;
        const group = (items: string[], size: number) =>
          Array.from({ length: items.length / size }, (_, i) => `[${items.slice(i * size, (i + 1) * size).join()}]`);
        const nested = `[${group(group(elements, columns), rows).join()}]`;
        const head = { name: 'x', datatype, shape: tensor.shape };
        const text = `{"inputs":[${JSON.stringify(head).slice(0, -1)},"data":${nested}}]}`;
        const [back] = decodeInferRequest({ body: Buffer.from(text), signature }).inputs;
        expect(back && plain(back)).toEqual(plain({ ...tensor, name: 'x' }));
      }),
      { numRuns: 50 },
    );
  });

  it('survives a frame with other tensors, at any alignment', () => {
    const several = fc.array(tensors(datatype, 'bits'), { maxLength: 3 });
    fc.assert(
      fc.property(several, fc.jsonValue(), fc.integer({ min: 0, max: 7 }), (list, meta, shift) => {
        const bytes = encodeFrame({ meta, tensors: list });
        const moved = new Uint8Array(bytes.length + shift).subarray(shift);
        moved.set(bytes);
        const back = decodeFrame(moved);
        expect(back.meta).toEqual(JSON.parse(JSON.stringify(meta)));
        expect(back.tensors.map(plain)).toEqual(list.map(plain));
      }),
    );
  });

  it('is the same after split and join, and after padding and slicing', () => {
    const inner = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 0, max: 3 }));
    fc.assert(
      fc.property(tensors(datatype, 'bits', inner), fc.nat({ max: 6 }), fc.nat({ max: 5 }), (tensor, cut, more) => {
        const [rows = 0] = tensor.shape;
        const first = Math.min(cut, rows);
        expect(plain(concatRows(splitRows(tensor, [first, rows - first])))).toEqual(plain(tensor));
        const padded = padRows(tensor, rows + more);
        checkTensor(padded);
        expect(plain(sliceRows(padded, 0, rows))).toEqual(plain(tensor));
        for (let row = rows; row < rows + more; row++) {
          expect(plain(sliceRows(padded, row, row + 1))).toEqual(plain(sliceRows(tensor, rows - 1, rows)));
        }
      }),
    );
  });
});

describe('damage', () => {
  const request = fc.constantFrom(...DATATYPES).chain((datatype) =>
    fc.tuple(tensors(datatype, 'bits'), tensors('BYTES', 'bits')).map(([a, b]) => {
      const inputs = [
        { ...a, name: 'a' },
        { ...b, name: 'b' },
      ];
      const signature = {
        inputs: inputs.map((input) => ({ ...input, shape: input.shape.map(() => -1) })),
        outputs: [],
      };
      return { ...encodeInferRequest({ inputs, binary: true }), signature };
    }),
  );
  const flips = fc.array(fc.nat(), { maxLength: 4 });

  it('to a binary request gives a valid request or a SconceError, and takes no more memory than the body', () => {
    fc.assert(
      fc.property(request, flips, fc.option(fc.nat()), fc.integer({ min: -2, max: 2 }), (sent, bits, cut, shift) => {
        const damaged = Buffer.from(sent.body);
        for (const bit of bits) {
          const at = bit % (damaged.length * 8);
          damaged[at >> 3] = (damaged[at >> 3] ?? 0) ^ (1 << (at & 7));
        }
        const body = cut === null ? damaged : damaged.subarray(0, cut % (damaged.length + 1));
        const headerLength = Math.max(0, (sent.headerLength ?? 0) + (bits.length === 0 ? shift : 0));
        let inputs: readonly Tensor[] = [];
        try {
          inputs = decodeInferRequest({ body, headerLength, signature: sent.signature }).inputs;
        } catch (error) {
          expect(error).toBeInstanceOf(SconceError);
          expect(['invalid_tensor', 'invalid_request']).toContain((error as SconceError).code);
        }
        // Every accepted tensor is valid.
        inputs.forEach(checkTensor);
        expect(inputs.every(({ data }) => data.buffer === body.buffer)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('to a frame gives tensors that match their shapes or an internal error', () => {
    const frames = fc
      .constantFrom(...DATATYPES)
      .chain((datatype) => fc.array(tensors(datatype, 'bits'), { maxLength: 2 }));
    fc.assert(
      fc.property(frames, fc.array(fc.nat(), { minLength: 1, maxLength: 4 }), (list, bits) => {
        const bytes = encodeFrame({ meta: { a: 1 }, tensors: list });
        for (const bit of bits) {
          const at = bit % (bytes.length * 8);
          bytes[at >> 3] = (bytes[at >> 3] ?? 0) ^ (1 << (at & 7));
        }
        let back: readonly Tensor[] = [];
        try {
          back = decodeFrame(bytes).tensors;
        } catch (error) {
          expect(error).toMatchObject({ name: 'SconceError', code: 'internal' });
        }
        back.forEach(checkTensor);
      }),
      { numRuns: 1000 },
    );
  });
});
