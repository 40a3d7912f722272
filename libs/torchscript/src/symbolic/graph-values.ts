import type { GraphBuilder } from '@sconce/onnx';

import type { PickleTensor } from '../pickle/pickle-value.ts';
import type { ScalarType } from '../scalar-type.ts';
import { encodeElements } from './constant-data.ts';
import { DimEmitter, onceInScope, type Scope } from './dim-emitter.ts';
import type { KnownSizes } from './known-sizes.ts';
import { onnxTypeOf } from './onnx-types.ts';
import { asScalar, castCode, elementKey } from './scalar-elements.ts';
import { SymInt, type Dim } from './sym-int.ts';
import { SymBool, SymFloat, type Scalar, type TensorContent, type TensorData } from './values.ts';

/** A weight that the graph uses. It becomes an initializer of this name, with its data in the archive. */
export interface UsedWeight {
  readonly name: string;
  readonly tensor: PickleTensor;
}

/** Gives tensors and truth values a name in the graph: constants, weights and known elements become graph values here. */
export class GraphValues {
  readonly weights: UsedWeight[] = [];
  readonly #root: GraphBuilder;
  readonly #scope: () => Scope;
  readonly #sizes: KnownSizes;
  readonly #weightNames = new Map<string, string>();
  readonly #dims: DimEmitter;

  /** `scope` gives the current graph. */
  constructor(root: GraphBuilder, scope: () => Scope, sizes: KnownSizes) {
    this.#root = root;
    this.#scope = scope;
    this.#sizes = sizes;
    this.#dims = new DimEmitter(scope, (values) => this.#constantName(values, 'int64', [values.length]));
  }

  /** The graph value that holds a tensor. @throws SconceError `model_invalid` for complex and quantized tensors. */
  name(content: TensorContent): string {
    const { data } = content;
    // A complex tensor is held as its two parts (lowering/complex.ts). Hardly any node takes that for a complex number.
    // A quantized tensor is held as the numbers that it stands for (lowering/quantized.ts).
    if (/^complex|^q/.test(content.dtype)) onnxTypeOf(content.dtype);
    if (data.kind === 'graph') return data.name;
    if (data.kind === 'weight') return this.#weightName(content, data);
    const { elements } = data;
    if (elements.every((element) => typeof element !== 'object')) {
      return this.#constantName(elements as (number | bigint | boolean)[], content.dtype, content.shape as number[]);
    }
    const key = `elements:${content.dtype}:${content.shape.join('x')}:${elements.map(elementKey).join(',')}`;
    return onceInScope(this.#scope(), key, () => this.#symbolicElements(content, elements));
  }

  /** The BOOL value of rank 0 that holds a truth value. */
  condition(value: boolean | SymBool): string {
    if (typeof value === 'boolean') return this.#constantName([value], 'bool', []);
    const { condition } = value;
    const { builder } = this.#scope();
    if (condition.kind === 'value') return condition.value;
    if (condition.kind === 'not') return builder.node('Not', [this.condition(condition.of)]);
    const [a, b] = [this.#sizeName(condition.a), this.#sizeName(condition.b)];
    const opType = condition.op === 'eq' ? 'Equal' : condition.op === 'lt' ? 'Less' : 'LessOrEqual';
    return builder.node(opType, [a, b]);
  }

  /** The INT64 value of rank 0 that holds a size. */
  #sizeName(dim: Dim): string {
    return this.name({
      dtype: 'int64',
      shape: [],
      data: { kind: 'elements', elements: [asScalar(dim)] },
      contiguous: true,
    });
  }

  #weightName(content: TensorContent, data: TensorData & { kind: 'weight' }): string {
    const { tensor, path } = data;
    const key = [
      tensor.storage.record,
      content.dtype,
      tensor.storageOffset,
      tensor.sizes.join('x'),
      tensor.strides.join('x'),
    ].join('|');
    let name = this.#weightNames.get(key);
    if (name === undefined) {
      name = this.#root.uniqueName(path === '' ? 'weight' : path);
      this.#weightNames.set(key, name);
      this.weights.push({ name, tensor });
    }
    return name;
  }

  #constantName(elements: readonly (number | bigint | boolean)[], dtype: ScalarType, shape: readonly number[]): string {
    const key = `constant:${dtype}:${shape.join('x')}:${elements.map((e) => (Object.is(e, -0) ? '-0' : String(e))).join(',')}`;
    let root = this.#scope();
    while (root.parent !== undefined) root = root.parent;
    let name = root.known.get(key);
    if (name === undefined) {
      name = this.#root.initializer({
        name: 'constant',
        datatype: onnxTypeOf(dtype),
        dims: shape,
        data: encodeElements(elements, dtype),
      });
      root.known.set(key, name);
    }
    return name;
  }

  /** Joins elements to a tensor. Some of them are known only at run time. */
  #symbolicElements(content: TensorContent, elements: readonly Scalar[]): string {
    const { builder } = this.#scope();
    const parts = elements.map((element) => this.#element(element, content.dtype));
    const joined =
      parts.length === 1 && parts[0] !== undefined
        ? parts[0]
        : builder.node('Concat', parts, { attributes: { axis: { int: 0 } } });
    if (content.shape.length === 1) return joined;
    return builder.node('Reshape', [
      joined,
      this.#constantName(content.shape as number[], 'int64', [content.shape.length]),
    ]);
  }

  /** One element as a value of shape [1]. */
  #element(element: Scalar, dtype: ScalarType): string {
    const { builder } = this.#scope();
    const to = (name: string, from: ScalarType): string =>
      onnxTypeOf(from) === onnxTypeOf(dtype)
        ? name
        : builder.node('Cast', [name], { attributes: { to: { int: castCode(onnxTypeOf(dtype)) } } });
    if (element instanceof SymInt) return to(this.#dims.emit(this.#sizes.resolve(element)), 'int64');
    const one = this.#constantName([1], 'int64', [1]);
    if (element instanceof SymFloat) return to(builder.node('Reshape', [element.value, one]), 'float64');
    if (element instanceof SymBool) return to(builder.node('Reshape', [this.condition(element), one]), 'bool');
    return this.#constantName([element], dtype, [1]);
  }
}
