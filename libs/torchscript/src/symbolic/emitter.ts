import { GraphBuilder, type OnnxAttribute, type OnnxDatatype } from '@sconce/onnx';

import type { Position } from '../frontend/ast.ts';
import type { PickleTensor } from '../pickle/pickle-value.ts';
import type { ScalarType } from '../scalar-type.ts';
import { modelError } from '../torchscript-error.ts';
import { encodeElements } from './constant-data.ts';
import { DimEmitter, onceInScope, type Scope } from './dim-emitter.ts';
import { Heap } from './heap.ts';
import { adaptedType } from './kernel-types.ts';
import type { LowerContext, LowerNodeOptions, NodeInput } from './lower-context.ts';
import { onnxTypeOf } from './onnx-types.ts';
import { asScalar, castCode, castScalar, elementKey } from './scalar-elements.ts';
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
  substitute,
  symbol,
  SymInt,
  valueAtom,
  type Dim,
} from './sym-int.ts';
import { SymBool, SymFloat, TensorValue, type Scalar, type TensorContent, type TensorData } from './values.ts';

/** A weight the graph uses: an initializer of this name, to be filled from the archive. */
export interface UsedWeight {
  readonly name: string;
  readonly tensor: PickleTensor;
}

/** More nodes than any sensible model has: a loop that was unrolled without end, usually. */
const MAX_NODES = 500_000;

/**
 * Adds nodes to the graph at hand and keeps track of what is known about their results; {@link LowerContext} says what
 * each method does.
 */
export class Emitter implements LowerContext {
  readonly heap = new Heap();
  readonly root = new GraphBuilder();
  readonly weights: UsedWeight[] = [];
  readonly warnings = new Set<string>();
  /** Calls of operators by PyTorch's names, those of numbers and lists included. */
  readonly operators = new Map<string, number>();
  /** Sizes that the code gives axis 0 where it had the size of an input's, and where it does so first. */
  readonly fixedRows = new Map<number, Position>();
  /** Where the code branches or loops on what only a run knows. */
  readonly runtimeControl: Position[] = [];
  /** Sizes of the inputs' free axes that the model demands, by input and axis. */
  readonly learnedSizes = new Map<string, Map<number, number>>();
  readonly inferring: boolean;
  #scope: Scope = { builder: this.root, depth: 0, parent: undefined, known: new Map() };
  #nodes = 0;
  readonly #weightNames = new Map<string, string>();
  /** Sizes that guards have fixed, by the atom's key. */
  readonly #fixed = new Map<string, Dim>();
  readonly #resolved = new Map<string, Dim>();
  readonly #dims = new DimEmitter(
    () => this.#scope,
    (values) => this.#constantName(values, 'int64', [values.length]),
  );

  /** `inferring` is for trials that find out the inputs' ranks. */
  constructor(inferring = false) {
    this.inferring = inferring;
  }

  /** Depth of the graph at hand: 0 is the model's own. */
  get depth(): number {
    return this.#scope.depth;
  }

  /** A new body's graph below the one at hand. */
  newScope(): Scope {
    const parent = this.#scope;
    return { builder: parent.builder.subgraph(), depth: parent.depth + 1, parent, known: new Map() };
  }

  /** Runs `run` with the graph of `scope` at hand: its nodes go there. */
  within<T>(scope: Scope, run: () => T): T {
    const outer = this.#scope;
    this.#scope = scope;
    try {
      return run();
    } finally {
      this.#scope = outer;
    }
  }

  /** The builder of the graph at hand. */
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

  /** The node in a dtype that ONNX Runtime has a kernel for: every input of the first one's dtype is cast there, the result back. */
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
        `the graph has more than ${MAX_NODES} nodes: a loop in the model runs too often to be unrolled`,
      );
    }
    const names = this.#scope.builder.nodes(
      opType,
      inputs.map((input) => (input === null ? '' : typeof input === 'string' ? input : this.#input(opType, input))),
      {
        outputs: outputs.length,
        ...(options.attributes === undefined ? {} : { attributes: options.attributes }),
        ...(options.domain === undefined ? {} : { domain: options.domain }),
      },
    );
    return outputs.map(({ dtype, shape }, i) => this.graphTensor(names[i] ?? '', dtype, shape));
  }

  /** The graph value for a node's input. */
  #input(opType: string, tensor: TensorValue | TensorContent): string {
    const { dtype, data } = tensor instanceof TensorValue ? tensor.content : tensor;
    const partsWillDo = opType === 'Slice' && dtype.startsWith('complex') && data.kind === 'graph';
    return partsWillDo ? data.name : this.name(tensor);
  }

  /** A tensor for a value of the graph at hand; sizes given as null become the sizes of its axes. */
  graphTensor(name: string, dtype: ScalarType, shape: readonly (Dim | null)[], min = 0): TensorValue {
    const dims = shape.map((dim, axis) => dim ?? symbol(sizeAtom(name, axis, this.depth, min)));
    return new TensorValue({ dtype, shape: dims, data: { kind: 'graph', name, depth: this.depth }, contiguous: true });
  }

  /** The graph value that holds a tensor; constants, weights and known elements become part of the graph here. */
  name(tensor: TensorValue | TensorContent): string {
    const content = tensor instanceof TensorValue ? tensor.content : tensor;
    const { data } = content;
    // Held as their parts (lowering/complex.ts), which hardly a node would take for what they are.
    if (content.dtype.startsWith('complex')) this.onnxType(content.dtype);
    if (data.kind === 'graph') return data.name;
    if (data.kind === 'weight') return this.#weightName(content, data);
    const { elements } = data;
    if (elements.every((element) => typeof element !== 'object')) {
      return this.#constantName(elements as (number | bigint | boolean)[], content.dtype, content.shape as number[]);
    }
    const key = `elements:${content.dtype}:${content.shape.join('x')}:${elements.map(elementKey).join(',')}`;
    return onceInScope(this.#scope, key, () => this.#symbolicElements(content, elements));
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
      name = this.root.uniqueName(path === '' ? 'weight' : path);
      this.#weightNames.set(key, name);
      this.weights.push({ name, tensor });
    }
    return name;
  }

  #constantName(elements: readonly (number | bigint | boolean)[], dtype: ScalarType, shape: readonly number[]): string {
    const key = `constant:${dtype}:${shape.join('x')}:${elements.map((e) => (Object.is(e, -0) ? '-0' : String(e))).join(',')}`;
    let root = this.#scope;
    while (root.parent !== undefined) root = root.parent;
    let name = root.known.get(key);
    if (name === undefined) {
      name = this.root.initializer({
        name: 'constant',
        datatype: onnxTypeOf(dtype),
        dims: shape,
        data: encodeElements(elements, dtype),
      });
      root.known.set(key, name);
    }
    return name;
  }

  /** Elements of which some are known only at run time, joined to a tensor. */
  #symbolicElements(content: TensorContent, elements: readonly Scalar[]): string {
    const parts = elements.map((element) => this.#element(element, content.dtype));
    const joined =
      parts.length === 1 && parts[0] !== undefined
        ? parts[0]
        : this.#scope.builder.node('Concat', parts, { attributes: { axis: { int: 0 } } });
    if (content.shape.length === 1) return joined;
    return this.#scope.builder.node('Reshape', [
      joined,
      this.#constantName(content.shape as number[], 'int64', [content.shape.length]),
    ]);
  }

  /** One element as a value of shape [1]. */
  #element(element: Scalar, dtype: ScalarType): string {
    const { builder } = this.#scope;
    const to = (name: string, from: ScalarType): string =>
      onnxTypeOf(from) === onnxTypeOf(dtype)
        ? name
        : builder.node('Cast', [name], { attributes: { to: { int: castCode(onnxTypeOf(dtype)) } } });
    if (element instanceof SymInt) return to(this.#dims.emit(this.resolve(element)), 'int64');
    const one = this.#constantName([1], 'int64', [1]);
    if (element instanceof SymFloat) return to(builder.node('Reshape', [element.value, one]), 'float64');
    if (element instanceof SymBool) return to(builder.node('Reshape', [this.condition(element), one]), 'bool');
    return this.#constantName([element], dtype, [1]);
  }

  /** The BOOL value of rank 0 that holds a truth value. */
  condition(value: boolean | SymBool): string {
    if (typeof value === 'boolean') return this.#constantName([value], 'bool', []);
    const { condition } = value;
    const { builder } = this.#scope;
    if (condition.kind === 'value') return condition.value;
    if (condition.kind === 'not') return builder.node('Not', [this.condition(condition.of)]);
    const [a, b] = [condition.a, condition.b].map((dim) =>
      this.name(this.scalar(dim instanceof SymInt ? dim : BigInt(dim), 'int64')),
    );
    const opType = condition.op === 'eq' ? 'Equal' : condition.op === 'lt' ? 'Less' : 'LessOrEqual';
    return builder.node(opType, [a ?? '', b ?? '']);
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
    if (onnxTypeOf(content.dtype) === onnxTypeOf(dtype)) {
      return this.graphTensorAs(content, dtype);
    }
    return this.node('Cast', [tensor], {
      dtype,
      attributes: { to: { int: castCode(onnxTypeOf(dtype)) } },
      adapt: false,
    });
  }

  /** The same graph value under another PyTorch dtype that ONNX holds alike. */
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
    return this.node('Reshape', [tensor, this.#reshapeTarget(content.shape, wanted)], {
      shape: wanted,
      attributes: wanted.includes(0) ? { allowzero: { int: 1 } } : {},
      adapt: false,
    });
  }

  /** Reshape's shape input: 0 copies an axis, one -1 is worked out; what is left must be computed at run time. */
  #reshapeTarget(from: readonly Dim[], to: readonly Dim[]): TensorValue {
    if (to.includes(0)) return this.ints(to);
    const copied = to.map((dim, i) => {
      const present = from[i];
      return dim instanceof SymInt && present !== undefined && sameDim(dim, present) && minimumOf(dim) > 0 ? 0 : dim;
    });
    const open = copied.filter((dim) => dim instanceof SymInt);
    if (open.length === 1 && productOf(to) !== 0 && copied.every((dim) => dim instanceof SymInt || dim >= 0)) {
      return this.ints(copied.map((dim) => (dim instanceof SymInt ? -1 : dim)));
    }
    return this.ints(copied);
  }

  transpose(tensor: TensorValue, permutation: readonly number[]): TensorValue {
    if (permutation.every((axis, i) => axis === i)) return tensor;
    const { shape } = tensor.content;
    const result = this.node('Transpose', [tensor], {
      shape: permutation.map((axis) => shape[axis] ?? null),
      attributes: { perm: { ints: permutation } },
      adapt: false,
    });
    return withContiguity(result, false);
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

  resolve(dim: Dim): Dim {
    if (this.#fixed.size === 0 || typeof dim === 'number') return dim;
    let resolved = this.#resolved.get(dim.key);
    if (resolved === undefined) {
      resolved = substitute(dim, (atom) => this.#fixed.get(atom.key));
      this.#resolved.set(dim.key, resolved);
    }
    return resolved;
  }

  require(a: Dim, b: Dim): boolean {
    const difference = subDims(a, b);
    if (!(difference instanceof SymInt)) return difference === 0;
    const constant = difference.terms.find((term) => term.atoms.length === 0)?.factor ?? 0;
    const rest = difference.terms.filter((term) => term.atoms.length > 0);
    const [term] = rest;
    const [atom] = term?.atoms ?? [];
    if (rest.length !== 1 || term?.atoms.length !== 1 || atom?.definition.kind !== 'size' || atom.depth > 0)
      return false;
    const value = -constant / term.factor;
    // Only the axes of inputs have a lower bound of 1.
    if (!Number.isInteger(value) || value < 1 || atom.min !== 1) return false;
    this.#fixed.set(atom.key, value);
    this.#resolved.clear();
    const { value: input, axis } = atom.definition;
    this.learnedSizes.set(input, (this.learnedSizes.get(input) ?? new Map<number, number>()).set(axis, value));
    return true;
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
