import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import {
  DATATYPES,
  decodeInferRequest,
  decodeInferSteps,
  encodeBytes,
  runToEnd,
  type Datatype,
  type InferRequest,
  type ModelSignature,
} from '../index.ts';

const signatureOf = (datatype: Datatype, rank: number): ModelSignature => ({
  inputs: [{ name: 'x', datatype, shape: Array.from({ length: rank }, () => -1) }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }],
});

type Result = InferRequest | { readonly code: string; readonly message: string };

function resultOf(decode: () => InferRequest): Result {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof SconceError)) throw error;
    return { code: error.code, message: error.message };
  }
}

/** Both readers' results of a body. */
function both(body: string | Buffer, signature: ModelSignature, headerLength?: number): [Result, Result] {
  const request = { body: Buffer.from(body), signature, headerLength };
  return [resultOf(() => runToEnd(decodeInferSteps(request))), resultOf(() => decodeInferRequest(request))];
}

const bodyOf = (shape: readonly number[], data: string, datatype: Datatype = 'FP32'): string =>
  `{"inputs":[{"name":"x","shape":[${shape.join(',')}],"datatype":"${datatype}","data":${data}}]}`;

/** Text of an element that the datatype accepts. */
const element: Record<Datatype, fc.Arbitrary<string>> = Object.fromEntries(
  DATATYPES.map((datatype) => {
    if (datatype === 'BYTES')
      return [datatype, fc.string({ unit: 'binary', maxLength: 40 }).map((s) => JSON.stringify(s))];
    if (datatype === 'BOOL') return [datatype, fc.constantFrom('true', 'false')];
    if (/^U?INT64$/.test(datatype)) {
      const most = datatype === 'UINT64' ? 2n ** 64n - 1n : 2n ** 63n - 1n;
      return [datatype, fc.bigInt({ min: 0n, max: most }).map(String)];
    }
    if (/INT/.test(datatype)) return [datatype, fc.integer({ min: 0, max: 127 }).map(String)];
    return [datatype, fc.float({ noNaN: true, min: -60_000, max: 60_000 }).map((x) => JSON.stringify(x))];
  }),
) as never;

/** Nested arrays of this shape around the elements. */
function nest(elements: readonly string[], shape: readonly number[], between: string): string {
  const [size = 0, ...inner] = shape;
  const each = inner.reduce((product, axis) => product * axis, 1);
  const parts = Array.from({ length: size }, (_, i) => elements.slice(i * each, (i + 1) * each));
  const texts = inner.length === 0 ? elements : parts.map((part) => nest(part, inner, between));
  return `[${between}${texts.join(`${between},${between}`)}${between}]`;
}

describe('reading in steps gives what reading at once gives', () => {
  it.each([...DATATYPES])('%s, flat and nested, over many pieces', (datatype) => {
    const shapes: number[][] = [[9_000], [3_000, 3], [30, 10, 30]];
    const between = fc.constantFrom('', ' ', '\n  ');
    const cases = fc.tuple(
      fc.array(element[datatype], { minLength: 50, maxLength: 50 }),
      fc.constantFrom(...shapes),
      fc.boolean(),
      between,
    );
    fc.assert(
      fc.property(cases, ([some, shape, isNested, space]) => {
        const elements = Array.from({ length: 9_000 }, (_, i) => some[(i * 7) % some.length] ?? '');
        const data = nest(elements, isNested ? shape : [9_000], space);
        const [steps, once] = both(bodyOf(shape, data, datatype), signatureOf(datatype, shape.length));
        expect(steps).toEqual(once);
        expect(steps).toHaveProperty('inputs');
      }),
      { numRuns: 12 },
    );
  });

  it.each([0, 1, 2, 65_530, 65_535, 65_536, 70_000, 131_070, 200_000, 400_000])(
    'strings of %i characters, of one to six bytes each',
    (length) => {
      for (const unit of ['a', 'é', '語', '😀', '\\n', '\\u00e9', '\\ud83d\\ude00', '\\\\', '\\"']) {
        for (const before of ['', 'b', '\\ud83d\\ude00']) {
          const text = `"${before}${unit.repeat(Math.ceil(length / unit.length))}"`;
          const data = `["first", ${text} ,"",${text}]`;
          for (const nested of [data, `[${data}]`]) {
            const shape = nested === data ? [4] : [1, 4];
            const [steps, once] = both(bodyOf(shape, nested, 'BYTES'), signatureOf('BYTES', shape.length));
            expect(
              Buffer.from((steps as InferRequest).inputs[0]?.data ?? []).equals(
                (once as InferRequest).inputs[0]?.data ?? Buffer.alloc(1),
              ),
            ).toBe(true);
          }
        }
      }
    },
  );

  it('tensors in any order of their members, binary tensors between them, and members given twice', () => {
    const signature: ModelSignature = {
      inputs: [
        { name: 'a', datatype: 'FP32', shape: [-1] },
        { name: 'b', datatype: 'BOOL', shape: [-1] },
        { name: 'c', datatype: 'BYTES', shape: [-1] },
      ],
      outputs: [],
    };
    const c = encodeBytes(['x', 'yy']);
    const head = `{ "inputs" : 5, "parameters":{"data":"[1]"},"inputs":[
      {"data":[9,9],"data" : [1,2 ],"shape":[2],"name":"a","datatype":"FP32"},
      {"name":"c","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":${c.length}}},
      {"shape":[3],"name":"b","datatype":"BOOL","data":[true,false,true]}], "id":"7", "extra":{"inputs":[{"data":[1]}]} }`;
    const [steps, once] = both(Buffer.concat([Buffer.from(head), c]), signature, Buffer.byteLength(head));
    expect(steps).toEqual(once);
    expect(steps).toHaveProperty('id', '7');
  });

  it.each([
    ['[1,2,3,4]', [4]],
    ['[1,2,3]', [4]],
    ['[1,2,3,4]', [2, 2]],
    ['[[1,2],[3,4]]', [2, 2]],
    ['[[1,2],[3]]', [2, 2]],
    ['[[1,2,3],[4]]', [2, 2]],
    ['[]', [0]],
    ['[]', [0, 5]],
    ['[[],[]]', [2, 0]],
    ['[ ]', [1]],
    ['5', []],
    ['[5]', []],
    ['[5]', [1]],
    ['null', [1]],
    ['"text"', [1]],
    ['[true]', [1]],
    ['[1e39]', [1]],
    ['[null]', [1]],
  ] as [string, number[]][])('%s for shape %j', (data, shape) => {
    const [steps, once] = both(bodyOf(shape, data), signatureOf('FP32', shape.length));
    expect(steps).toEqual(once);
  });

  it.each([
    '[1,,2]',
    '[,1]',
    '[1,]',
    '[1,nan]',
    '[1,+Infinity]',
    '[1,NaN,]',
    '[NaN 1]',
    '[1 2]',
    '[1,2',
    '[01]',
    '[-]',
    '[1}',
    '[[1,2],[3,4]',
    '[[1,2],[3,4],]',
    '[[1,2][3,4]]',
    '[[1,2],3,4]]',
    '[tru]',
    '["a]',
    '["\\x"]',
    '["a" "b"]',
    '["a",]',
    '["a"1]',
  ])('the same code for broken text %s', (data) => {
    for (const shape of [[2], [2, 2]]) {
      for (const datatype of ['FP32', 'BYTES'] as const) {
        const [steps, once] = both(bodyOf(shape, data, datatype), signatureOf(datatype, shape.length));
        expect([steps, once], JSON.stringify([steps, once])).not.toContainEqual(
          expect.objectContaining({ inputs: expect.anything() }),
        );
        expect(steps).toMatchObject({ code: expect.stringMatching(/^invalid_(request|tensor)$/) });
      }
    }
  });

  it('accepts and refuses the same mutations of a valid body', () => {
    const valid = bodyOf([2, 3], '[[1,2.5e1,-3],[4,"5",6]]'.replace('"5"', '5'));
    const mutation = fc.tuple(
      fc.nat(valid.length),
      fc.constantFrom('', ',', '"', '[', ']', '{', '}', '-', '0', '\\', 'e', ':', ' ', 'null'),
      fc.nat(2),
    );
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 2 }), (mutations) => {
        let text = valid;
        for (const [at, insert, remove] of mutations) text = text.slice(0, at) + insert + text.slice(at + remove);
        const [steps, once] = both(text, signatureOf('FP32', 2));
        if ('inputs' in once) expect(steps).toEqual(once);
        else expect(steps).toMatchObject({ code: expect.stringMatching(/^invalid_(request|tensor)$/) });
      }),
      { numRuns: 3_000 },
    );
  });
});
