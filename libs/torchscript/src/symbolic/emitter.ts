import { GraphBuilder, type OnnxAttribute, type OnnxDatatype } from '@sconce/onnx';

import type { Position } from '../frontend/ast.ts';
import type { ScalarType } from '../scalar-type.ts';
import { modelError } from '../torchscript-error.ts';
import type { Scope } from './dim-emitter.ts';
import { addIf, type Way } from './either.ts';
import { GraphValues, type UsedWeight } from './graph-values.ts';
import { Heap } from './heap.ts';
import { adaptedType } from './kernel-types.ts';
import { KnownSizes } from './known-sizes.ts';
import type { LowerContext, LowerNodeOptions, NodeInput } from './lower-context.ts';
import { onnxTypeOf } from './onnx-types.ts';
import { asScalar, castCode, castScalar } from './scalar-elements.ts';
import {
  addDims,
  exactQuotient,
  floorDivDims,
  maxDims,
  minDims,
  minimumOf,
  productOf,
  sameDim,
  sizeAtom,
  subDims,
  symbol,
  SymInt,
  valueAtom,
  type Dim,
} from './sym-int.ts';
import { transposed } from './transposition.ts';
import { SymBool, SymFloat, TensorValue, type Scalar, type TensorContent } from './values.ts';

/** No real model has more nodes. A graph gets that many when a loop is unrolled too often. */
const MAX_NODES = 500_000;

/**
 * Adds nodes to the current graph and tracks the types and shapes of their results. {@link LowerContext} describes the methods
 * that lowerings use. The current graph is the model's own, or the body of an If or Loop (see {@link Emitter.within}).
 */
export class Emitter implements LowerContext {
  readonly heap = new Heap();
  readonly root = new GraphBuilder();
  readonly warnings = new Set<string>();
  /** The strings of which a run chooses some. Their positions are their numbers. */
  readonly strings: string[] = [];
  /** Number of calls of each PyTorch operator, including operators on numbers and lists. */
  readonly operators = new Map<string, number>();
  /** Sizes that the code gives to an axis 0 that had the size of an input's axis 0, with the first place that does so. */
  readonly fixedRows = new Map<number, Position>();
  /** The places where the code branches or loops on a value that is known only at run time. */
  readonly runtimeControl: Position[] = [];
  readonly inferring: boolean;
  #scope: Scope = { builder: this.root, depth: 0, parent: undefined, known: new Map() };
  #nodes = 0;
  readonly #sizes = new KnownSizes();
  readonly #values = new GraphValues(this.root, () => this.#scope, this.#sizes);

  /** `inferring` is true in trials that find the inputs' ranks. */
  constructor(inferring = false) {
    this.inferring = inferring;
  }

  /** The weights that the graph uses. */
  get weights(): readonly UsedWeight[] {
    return this.#values.weights;
  }

  /** Sizes of the inputs' free axes that the model requires, by input and axis. */
  get learnedSizes(): ReadonlyMap<string, ReadonlyMap<number, number>> {
    return this.#sizes.byInput;
  }

  /** Depth of the current graph. The model's own graph has depth 0. */
  get depth(): number {
    return this.#scope.depth;
  }

  /** Makes an empty graph for a body inside the current graph. */
  newScope(): Scope {
    const parent = this.#scope;
    return { builder: parent.builder.subgraph(), depth: parent.depth + 1, parent, known: new Map() };
  }

  /** Runs `run` with `scope` as the current graph, so that its nodes go there. */
  within<T>(scope: Scope, run: () => T): T {
    const outer = this.#scope;
    this.#scope = scope;
    try {
      return run();
    } finally {
      this.#scope = outer;
    }
  }

  /** The builder of the current graph. */
  get builder(): GraphBuilder {
    return this.#scope.builder;
  }

  // ---- nodes ---------------------------------------------------------------------------------------------------------

  node(opType: string, inputs: readonly NodeInput[], options: LowerNodeOptions = {}): TensorValue {
    const first = inputs.find((input) => input !== null && typeof input !== 'string');
    const content = first instanceof TensorValue ? first.content : (first as TensorContent | undefined);
    const dtype = options.dtype ?? content?.dtype;
    const shape = options.shape ?? content?.shape;
    if (dtype === undefined || shape === undefined) {
      throw modelError('lower', `internal: node ${opType} needs a dtype and a shape`);
    }
    const held = adaptedType(opType, content?.dtype ?? dtype);
    if (options.adapt !== false && held !== undefined && content !== undefined) {
      return this.#adapted(opType, inputs, content.dtype, held, { ...options, dtype, shape });
    }
    const [result] = this.nodes(opType, inputs, [{ dtype, shape }], options);
    if (result === undefined) throw modelError('lower', `internal: node ${opType} has no output`);
    return result;
  }

  /**
   * Computes the node in a dtype for which ONNX Runtime has a kernel: every input with the dtype of the first one is cast to
   * it, and the result is cast back.
   */
  #adapted(
    opType: string,
    inputs: readonly NodeInput[],
    from: ScalarType,
    to: ScalarType,
    options: LowerNodeOptions & { readonly dtype: ScalarType },
  ): TensorValue {
    const cast = inputs.map((input) =>
      input instanceof TensorValue && input.dtype === from ? this.cast(input, to) : input,
    );
    const computed = this.node(opType, cast, {
      ...options,
      dtype: options.dtype === from ? to : options.dtype,
      adapt: false,
    });
    return options.dtype === from ? this.cast(computed, from) : computed;
  }

  nodes(
    opType: string,
    inputs: readonly NodeInput[],
    outputs: readonly { readonly dtype: ScalarType; readonly shape: readonly (Dim | null)[] }[],
    options: {
      readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
      readonly domain?: string;
    } = {},
  ): TensorValue[] {
    if (++this.#nodes > MAX_NODES) {
      throw modelError(
        'execute',
        `the graph has more than ${MAX_NODES} nodes: a loop in the model runs too often to be unrolled; lower its number of rounds`,
      );
    }
    const names = this.#scope.builder.nodes(
      opType,
      inputs.map((input) => (input === null ? '' : typeof input === 'string' ? input : this.#input(opType, input))),
      { outputs: outputs.length, attributes: options.attributes, domain: options.domain },
    );
    return outputs.map(({ dtype, shape }, i) => this.graphTensor(names[i] ?? '', dtype, shape));
  }

  /** The graph value for a node's input. */
  #input(opType: string, tensor: TensorValue | TensorContent): string {
    const { dtype, data } = tensor instanceof TensorValue ? tensor.content : tensor;
    const partsWillDo = opType === 'Slice' && dtype.startsWith('complex') && data.kind === 'graph';
    return partsWillDo ? data.name : this.name(tensor);
  }

  /** A tensor for a value of the current graph. A size given as null becomes the size of that axis. */
  graphTensor(name: string, dtype: ScalarType, shape: readonly (Dim | null)[]): TensorValue {
    const dims = shape.map((dim, axis) => dim ?? symbol(sizeAtom(name, axis, this.depth)));
    return new TensorValue({ dtype, shape: dims, data: { kind: 'graph', name, depth: this.depth }, contiguous: true });
  }

  /** The graph value that holds a tensor. Constants, weights and known elements become part of the graph here. */
  name(tensor: TensorValue | TensorContent): string {
    return this.#values.name(tensor instanceof TensorValue ? tensor.content : tensor);
  }

  /** The BOOL value of rank 0 that holds a truth value. */
  condition(value: boolean | SymBool): string {
    return this.#values.condition(value);
  }

  cast(tensor: TensorValue, dtype: ScalarType): TensorValue {
    const { content } = tensor;
    if (content.dtype === dtype) return tensor;
    if (content.data.kind === 'elements') {
      const elements = content.data.elements.map((element) => castScalar(element, dtype));
      if (elements.every((element) => element !== undefined)) {
        return new TensorValue({ ...content, dtype, data: { kind: 'elements', elements } });
      }
    }
    // It is held as float32, but a conversion rounds to the 8 bits of bfloat16.
    if (dtype === 'bfloat16') return this.#castNode(this.#castNode(tensor, dtype, 'BFLOAT16'), dtype, 'FLOAT');
    if (onnxTypeOf(content.dtype) === onnxTypeOf(dtype)) {
      return this.graphTensorAs(content, dtype);
    }
    return this.#castNode(tensor, dtype, onnxTypeOf(dtype));
  }

  #castNode(tensor: TensorValue, dtype: ScalarType, type: OnnxDatatype): TensorValue {
    return this.node('Cast', [tensor], {
      dtype,
      attributes: { to: { int: castCode(type) } },
      adapt: false,
    });
  }

  /** The same graph value with another PyTorch dtype that has the same ONNX type. */
  graphTensorAs(content: TensorContent, dtype: ScalarType): TensorValue {
    return new TensorValue({
      dtype,
      shape: content.shape,
      data: { kind: 'graph', name: this.name(content), depth: this.depth },
      contiguous: content.contiguous,
    });
  }

  // ---- constants -----------------------------------------------------------------------------------------------------

  scalar(value: Scalar, dtype: ScalarType): TensorValue {
    const element = castScalar(value, dtype);
    if (element !== undefined) return this.elements([element], dtype, []);
    const from: ScalarType = value instanceof SymFloat ? 'float64' : value instanceof SymBool ? 'bool' : 'int64';
    return this.cast(this.elements([value], from, []), dtype);
  }

  constant(data: readonly (number | bigint | boolean)[], dtype: ScalarType, shape: readonly number[]): TensorValue {
    return this.elements(data, dtype, shape);
  }

  ints(values: readonly Dim[]): TensorValue {
    const elements = values.map((value) => (value instanceof SymInt ? value : BigInt(value)));
    return this.elements(elements, 'int64', [values.length]);
  }

  elements(elements: readonly Scalar[], dtype: ScalarType, shape: readonly number[]): TensorValue {
    return new TensorValue({ dtype, shape, data: { kind: 'elements', elements }, contiguous: true });
  }

  elementsOf(tensor: TensorValue): readonly Scalar[] | undefined {
    const { data } = tensor.content;
    return data.kind === 'elements' ? data.elements : undefined;
  }

  item(tensor: TensorValue): Scalar {
    const [known] = this.elementsOf(tensor) ?? [];
    if (known !== undefined) return known instanceof SymInt ? asScalar(this.resolve(known)) : known;
    const one = tensor.rank === 0 ? tensor : this.reshape(tensor, []);
    if (tensor.dtype === 'bool') return new SymBool({ kind: 'value', value: this.name(one), depth: this.depth });
    const { onnxType } = this;
    const type = onnxType(tensor.dtype);
    if (type === 'FLOAT' || type === 'DOUBLE' || type === 'FLOAT16') {
      return new SymFloat(this.name(this.cast(one, 'float64')), this.depth);
    }
    return symbol(valueAtom(this.name(this.cast(one, 'int64')), this.depth));
  }

  // ---- shapes --------------------------------------------------------------------------------------------------------

  reshape(tensor: TensorValue, shape: readonly Dim[]): TensorValue {
    const { content } = tensor;
    const wanted = shape.map((dim) => this.resolve(dim));
    if (wanted.length === content.shape.length && wanted.every((dim, i) => sameDim(dim, content.shape[i] ?? -1))) {
      return tensor;
    }
    if (content.data.kind === 'elements' && wanted.every((dim) => typeof dim === 'number')) {
      return this.elements(content.data.elements, content.dtype, wanted);
    }
    const ratio = exactQuotient(productOf(content.shape.map((dim) => this.resolve(dim))), productOf(wanted));
    if (typeof ratio === 'number' && ratio !== 1 && !wanted.includes(0)) {
      this.unsupported(
        `a tensor of shape [${content.shape.join(', ')}] as [${wanted.join(', ')}]`,
        'it has another number of elements: check the inputs’ ranks and sizes',
      );
    }
    const target = reshapeTarget(content.shape, wanted);
    return this.node('Reshape', [tensor, this.ints(target ?? wanted)], {
      shape: wanted,
      attributes: target === undefined ? { allowzero: { int: 1 } } : {},
      adapt: false,
    });
  }

  transpose(tensor: TensorValue, permutation: readonly number[]): TensorValue {
    return permutation.every((axis, i) => axis === i) ? tensor : transposed(this, tensor, permutation);
  }

  expand(tensor: TensorValue, shape: readonly Dim[]): TensorValue {
    const { content } = tensor;
    const wanted = shape.map((dim) => this.resolve(dim));
    if (wanted.length === content.shape.length && wanted.every((dim, i) => sameDim(dim, content.shape[i] ?? -1))) {
      return tensor;
    }
    return withContiguity(this.node('Expand', [tensor, this.ints(wanted)], { shape: wanted, adapt: false }), false);
  }

  slice(tensor: TensorValue, axis: number, start: Dim, end: Dim, step = 1, size?: Dim): TensorValue {
    const { content } = tensor;
    const length = content.shape[axis] ?? 0;
    const stop = minDims(end, length);
    const span = maxDims(subDims(stop, start), 0);
    const count = size ?? (step === 1 ? span : floorDivDims(addDims(span, step - 1), step));
    if (start === 0 && step === 1 && sameDim(count, length)) return tensor;
    const { data } = content;
    if (
      data.kind === 'elements' &&
      content.shape.length === 1 &&
      typeof start === 'number' &&
      typeof stop === 'number'
    ) {
      const elements = data.elements.slice(start, stop).filter((_, i) => i % step === 0);
      return this.elements(elements, content.dtype, [elements.length]);
    }
    const shape = content.shape.map((dim, i) => (i === axis ? count : dim));
    const inputs = [tensor, this.ints([start]), this.ints([end]), this.ints([axis])];
    if (step !== 1) inputs.push(this.ints([step]));
    return withContiguity(this.node('Slice', inputs, { shape, adapt: false }), axis === 0 && step === 1);
  }

  view(
    base: TensorValue,
    read: (base: TensorValue) => TensorValue,
    write: (base: TensorValue, updated: TensorValue) => TensorValue,
  ): TensorValue {
    return new TensorValue(read(base).content, {
      base,
      mayKeep: () => !this.heap.onTrial,
      read: (content) => read(new TensorValue(content)).content,
      write: (content, updated) => write(new TensorValue(content), new TensorValue(updated)).content,
    });
  }

  either(condition: SymBool, then: Way, otherwise: Way): TensorValue[] {
    return addIf(this, condition, then, otherwise);
  }

  resolve(dim: Dim): Dim {
    return this.#sizes.resolve(dim);
  }

  require(a: Dim, b: Dim): boolean {
    return this.#sizes.require(a, b);
  }

  onnxType(dtype: ScalarType): OnnxDatatype {
    return onnxTypeOf(dtype);
  }

  axis(axis: number, rank: number): number {
    const counted = axis < 0 ? axis + Math.max(rank, 1) : axis;
    if (counted >= 0 && counted < Math.max(rank, 1)) return counted;
    return this.unsupported(
      `dimension ${axis} of a tensor of rank ${rank}`,
      'there is no such dimension: check the inputs’ ranks',
    );
  }

  stringId(text: string): number {
    const present = this.strings.indexOf(text);
    return present < 0 ? this.strings.push(text) - 1 : present;
  }

  warn(message: string): void {
    this.warnings.add(message);
  }

  unsupported(what: string, hint = ''): never {
    throw modelError('lower', what, hint === '' ? {} : { hint });
  }
}

function withContiguity(tensor: TensorValue, contiguous: boolean): TensorValue {
  return new TensorValue({ ...tensor.content, contiguous });
}

/**
 * The shape input of Reshape if it can be a constant: 0 copies an axis, and ONNX computes the size of one -1, but not beside an axis
 * that may be empty. Undefined if the sizes must be computed at run time.
 */
function reshapeTarget(from: readonly Dim[], to: readonly Dim[]): readonly number[] | undefined {
  if (to.includes(0)) return undefined;
  const target = to.map((dim, i) => (dim instanceof SymInt ? (sameDim(dim, from[i] ?? -1) ? 0 : -1) : dim));
  const others = to.filter((_, i) => target[i] !== -1);
  const open = to.length - others.length;
  return open === 0 || (open === 1 && others.every((dim) => minimumOf(dim) > 0)) ? target : undefined;
}
