import { deepStrictEqual } from 'node:assert/strict';
import { describe, expect, it } from 'vitest';

import {
  IR_VERSION,
  ONNX_DATATYPES,
  OPSET,
  decodeModel,
  encodeModel,
  onnxDatatypeBytes,
  type OnnxAttribute,
  type OnnxDim,
  type OnnxGraph,
  type OnnxModel,
  type OnnxTensor,
} from './index.ts';

/** A seeded random source of models that use every form. */
class ModelMaker {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** A whole number from 0 to below `end`, by the generator mulberry32. */
  int(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end;
  }

  pick<T>(of: readonly T[]): T {
    return of[this.int(of.length)] as T;
  }

  list<T>(make: () => T, most = 3): T[] {
    return Array.from({ length: this.int(most + 1) }, make);
  }

  record<T>(make: () => T): Record<string, T> {
    return Object.fromEntries(this.list(() => [this.pick(['a', 'b', '__proto__', 'constructor', 'é']), make()]));
  }

  text(): string {
    return this.pick(['', 'x', 'a/b.c', 'grüße', '\uFEFFbom', '😀', '\0', 'x'.repeat(300)]);
  }

  integer(): number | bigint {
    const bits = BigInt(this.int(2 ** 32)) << BigInt(this.int(32));
    const value = this.int(2) === 0 ? bits : -bits;
    const exact = Number.isSafeInteger(Number(value)) ? Number(value) : value;
    return this.pick([0, -1, 2 ** 53 - 1, 2n ** 53n, -(2n ** 63n), 2n ** 63n - 1n, exact === 0 ? 0 : exact]);
  }

  float(): number {
    return this.pick([0, -0, 0.5, NaN, Infinity, -Infinity, Math.fround(1e-45), Math.fround(this.int(1000) / 7)]);
  }

  tensor(): OnnxTensor {
    const datatype = this.pick(ONNX_DATATYPES);
    const dims = this.list(() => this.int(4));
    const count = dims.reduce((product, dim) => product * dim, 1);
    const head = { name: this.text(), datatype, dims };
    if (datatype === 'STRING') return { ...head, data: Array.from({ length: count }, () => this.text()) };
    const length = count * (onnxDatatypeBytes(datatype) ?? 0);
    if (this.int(4) === 0) return { ...head, data: { location: 'w/m.pt', offset: this.int(2 ** 32) * 1024, length } };
    return { ...head, data: Uint8Array.from({ length }, () => this.int(256)) };
  }

  attribute(depth: number): OnnxAttribute {
    return this.pick<() => OnnxAttribute>([
      () => ({ int: this.integer() }),
      () => ({ ints: this.list(() => this.integer()) }),
      () => ({ float: this.float() }),
      () => ({ floats: this.list(() => this.float()) }),
      () => ({ string: this.text() }),
      () => ({ strings: this.list(() => this.text()) }),
      () => ({ tensor: this.tensor() }),
      () => (depth > 0 ? { graph: this.graph(depth - 1) } : { int: 1 }),
    ])();
  }

  graph(depth: number): OnnxGraph {
    const info = () => ({
      name: this.text(),
      datatype: this.pick(ONNX_DATATYPES),
      shape: this.pick([undefined, this.list((): OnnxDim => this.pick([0, 3, 2 ** 53 - 1, 'batch', null]))]),
    });
    return {
      name: this.text(),
      inputs: this.list(info),
      outputs: this.list(info),
      initializers: this.list(() => this.tensor()),
      nodes: this.list(() => ({
        opType: this.text(),
        domain: this.text(),
        name: this.text(),
        inputs: this.list(() => this.text()),
        outputs: this.list(() => this.text()),
        attributes: this.record(() => this.attribute(depth)),
      })),
    };
  }

  model(): OnnxModel {
    return {
      irVersion: this.pick([IR_VERSION, 3]),
      opsets: { '': OPSET, ...this.record(() => this.int(100)) },
      producer: this.text(),
      graph: this.graph(3),
      metadata: this.record(() => this.text()),
    };
  }
}

describe('encodeModel and decodeModel', () => {
  // Node's comparison, because vitest's ignores a key `__proto__`.
  it('return every model unchanged', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const model = new ModelMaker(seed).model();
      deepStrictEqual(decodeModel(encodeModel(model)), model, `seed ${seed}`);
    }
  });

  it('read cut or changed files or refuse them as model_invalid', () => {
    let refused = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const maker = new ModelMaker(seed);
      const bytes = encodeModel(maker.model());
      for (let round = 0; round < 30; round++) {
        const hostile = bytes.slice(0, round % 3 === 0 ? maker.int(bytes.length) : bytes.length);
        for (let change = round % 4; change > 0 && hostile.length > 0; change--) {
          hostile[maker.int(hostile.length)] = maker.int(256);
        }
        try {
          decodeModel(hostile);
        } catch (error) {
          expect(error).toMatchObject({ name: 'SconceError', code: 'model_invalid' });
          refused++;
        }
      }
    }
    expect(refused).toBeGreaterThan(500);
  });
});
