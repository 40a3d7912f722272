import type { OnnxAttribute, OnnxDatatype } from '@sconce/onnx';

import type { ScalarType } from '../scalar-type.ts';
import type { Heap } from './heap.ts';
import type { Dim } from './sym-int.ts';
import type { Scalar, TensorContent, TensorValue } from './values.ts';

/** An input of a node: a tensor, the name of a graph value, or null for an optional input that is left out. */
export type NodeInput = TensorValue | TensorContent | string | null;

/** What a node gives. A dimension of null is one nobody can tell beforehand: it becomes the size of that axis of the result. */
export interface NodeOutput {
  /** Unless said, that of the first tensor among the inputs. */
  readonly dtype?: ScalarType;
  /** Unless said, that of the first tensor among the inputs. */
  readonly shape?: readonly (Dim | null)[];
}

/** Options of {@link LowerContext.node}. */
export interface LowerNodeOptions extends NodeOutput {
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
  readonly domain?: string;
  /** Where a kernel for the dtype is missing in ONNX Runtime the node is computed in another one and cast back; false leaves it alone. */
  readonly adapt?: boolean;
}

/**
 * What a lowering works with: it adds ONNX nodes to the graph at hand and gives tensors. It never sees where it is used
 * (inlined, in a branch, in a loop), and knows shapes as far as they can be known.
 */
export interface LowerContext {
  readonly heap: Heap;

  /** Adds a node with one output. */
  node(opType: string, inputs: readonly NodeInput[], options?: LowerNodeOptions): TensorValue;
  /** Adds a node with several outputs. */
  nodes(
    opType: string,
    inputs: readonly NodeInput[],
    outputs: readonly { readonly dtype: ScalarType; readonly shape: readonly (Dim | null)[] }[],
    options?: { readonly attributes?: Readonly<Record<string, OnnxAttribute>>; readonly domain?: string },
  ): TensorValue[];
  /** The tensor as `dtype`, rounding as PyTorch does; itself where it is that already. */
  cast(tensor: TensorValue, dtype: ScalarType): TensorValue;

  /** A 0-d tensor that holds `value`, concrete or symbolic. */
  scalar(value: Scalar, dtype: ScalarType): TensorValue;
  /** A constant tensor; `data` is row-major. */
  constant(data: readonly (number | bigint | boolean)[], dtype: ScalarType, shape: readonly number[]): TensorValue;
  /** A 1-D int64 tensor of sizes, as Reshape, Expand, Slice and their kind take them. */
  ints(values: readonly Dim[]): TensorValue;
  /** A tensor whose few elements are known, concrete or symbolic; becomes part of the graph only where a node uses it. */
  elements(elements: readonly Scalar[], dtype: ScalarType, shape: readonly number[]): TensorValue;
  /** The elements of a tensor where they are known (a number read from a shape, a small constant); undefined otherwise. */
  elementsOf(tensor: TensorValue): readonly Scalar[] | undefined;
  /** The tensor's only element as a number of the program: concrete, a known size, or read from the graph at run time. */
  item(tensor: TensorValue): Scalar;

  /** Reshape; equal sizes are recognised, so that most reshapes need no shape computed at run time. */
  reshape(tensor: TensorValue, shape: readonly Dim[]): TensorValue;
  /** Transpose by `permutation`. */
  transpose(tensor: TensorValue, permutation: readonly number[]): TensorValue;
  /** Expand to `shape` as broadcasting does; the tensor itself where it has that shape. */
  expand(tensor: TensorValue, shape: readonly Dim[]): TensorValue;
  /** `tensor[..., start:end, ...]` along `axis`; bounds within the axis, `end` beyond it is cut. `size` is the length it gives, where known. */
  slice(tensor: TensorValue, axis: number, start: Dim, end: Dim, step?: number, size?: Dim): TensorValue;

  /**
   * A view of `base` as PyTorch means it: in-place changes of one show in the other. `read` makes the view's tensor from
   * the base's, `write` the base's new tensor once the view holds `updated`.
   */
  view(
    base: TensorValue,
    read: (base: TensorValue) => TensorValue,
    write: (base: TensorValue, updated: TensorValue) => TensorValue,
  ): TensorValue;

  /**
   * Notes that the operator fails in PyTorch unless `a` equals `b` (a matrix’s inner axis, a convolution’s channels): where one is a
   * free axis of an input and the other a number, that axis becomes part of the model’s signature. False where nothing follows.
   */
  require(a: Dim, b: Dim): boolean;
  /** While the ranks of inputs are guessed: forms that few models mean (inputs without a batch axis) are to be refused. */
  readonly inferring: boolean;
  /** The size with what is required put in. */
  resolve(dim: Dim): Dim;
  /** The ONNX type in which tensors of this dtype are held (bfloat16 is held as FLOAT). Refuses complex and quantized types. */
  onnxType(dtype: ScalarType): OnnxDatatype;
  /** `axis` counted from the front; refuses one out of range. */
  axis(axis: number, rank: number): number;
  /** A remark for the user that the result may differ from PyTorch's, shown once per text. */
  warn(message: string): void;
  /** Ends the lowering: what about the operator is not supported, and what to do about it. */
  unsupported(what: string, hint?: string): never;
}
