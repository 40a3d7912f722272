import type { OnnxAttribute, OnnxDatatype } from '@sconce/onnx';

import type { ScalarType } from '../scalar-type.ts';
import type { Heap } from './heap.ts';
import type { Dim } from './sym-int.ts';
import type { Scalar, SymBool, TensorContent, TensorValue } from './values.ts';

/** An input of a node: a tensor, the name of a graph value, or null to leave an optional input out. */
export type NodeInput = TensorValue | TensorContent | string | null;

/** The type of a node's output. A dimension of null is not known before the run: it becomes the size of that axis of the result. */
export interface NodeOutput {
  /** Default: the dtype of the first tensor among the inputs. */
  readonly dtype?: ScalarType;
  /** Default: the shape of the first tensor among the inputs. */
  readonly shape?: readonly (Dim | null)[];
}

/** Options of {@link LowerContext.node}. */
export interface LowerNodeOptions extends NodeOutput {
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
  readonly domain?: string;
  /** If ONNX Runtime has no kernel for the dtype, the node is computed in another dtype and cast back. False turns this off. */
  readonly adapt?: boolean;
}

/**
 * The methods that lowerings use. They add ONNX nodes to the current graph and return tensors. A lowering does not see where it is
 * used (inlined, in a branch, in a loop). It knows shapes as far as they are known at compile time.
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
  /** The tensor as `dtype`, rounded as in PyTorch. Returns the tensor itself if it has that dtype. */
  cast(tensor: TensorValue, dtype: ScalarType): TensorValue;

  /** A 0-d tensor that holds `value`, concrete or symbolic. */
  scalar(value: Scalar, dtype: ScalarType): TensorValue;
  /** A constant tensor. `data` is row-major. */
  constant(data: readonly (number | bigint | boolean)[], dtype: ScalarType, shape: readonly number[]): TensorValue;
  /** A 1-D int64 tensor of sizes, as an input for Reshape, Expand, Slice and similar operators. */
  ints(values: readonly Dim[]): TensorValue;
  /** A tensor of a few known elements, concrete or symbolic. It becomes part of the graph only when a node uses it. */
  elements(elements: readonly Scalar[], dtype: ScalarType, shape: readonly number[]): TensorValue;
  /** The elements of a tensor if they are known (a number read from a shape, a small constant), otherwise undefined. */
  elementsOf(tensor: TensorValue): readonly Scalar[] | undefined;
  /** The tensor's only element as a number: concrete, a known size, or read from the graph at run time. */
  item(tensor: TensorValue): Scalar;

  /** Reshape. It recognises equal sizes, so most reshapes need no shape that is computed at run time. */
  reshape(tensor: TensorValue, shape: readonly Dim[]): TensorValue;
  /** Transpose by `permutation`. */
  transpose(tensor: TensorValue, permutation: readonly number[]): TensorValue;
  /** Expands to `shape` as broadcasting does. Returns the tensor itself if it has that shape. */
  expand(tensor: TensorValue, shape: readonly Dim[]): TensorValue;
  /**
   * `tensor[..., start:end, ...]` along `axis`. The bounds count from the front; an `end` after the axis is cut. `size` is the length of
   * the result, if known.
   */
  slice(tensor: TensorValue, axis: number, start: Dim, end: Dim, step?: number, size?: Dim): TensorValue;

  /**
   * A view of `base` as in PyTorch: an in-place change of one also changes the other. `read` computes the view from the base. `write`
   * computes the base after the view became `updated`.
   */
  view(
    base: TensorValue,
    read: (base: TensorValue) => TensorValue,
    write: (base: TensorValue, updated: TensorValue) => TensorValue,
  ): TensorValue;

  /**
   * Computes tensors in one of two ways, which `condition` chooses at run time. Both ways give tensors of the same dtypes and
   * ranks. Sizes that differ become known at run time only.
   */
  either(
    condition: SymBool,
    then: () => readonly TensorValue[],
    otherwise: () => readonly TensorValue[],
  ): TensorValue[];

  /**
   * Notes that the operator fails in PyTorch unless `a` equals `b` (a matrix’s inner axis, a convolution’s channels). If one is a
   * free axis of an input and the other a number, the axis gets that size in the model’s signature. Returns whether `a` and `b` are
   * now known to be equal.
   */
  require(a: Dim, b: Dim): boolean;
  /** True while the ranks of inputs are guessed. Lowerings then refuse rare forms, such as inputs without a batch axis. */
  readonly inferring: boolean;
  /** The size with the required sizes put in, see {@link require}. */
  resolve(dim: Dim): Dim;
  /** The ONNX type that holds tensors of this dtype (FLOAT for bfloat16). Refuses complex and quantized types. */
  onnxType(dtype: ScalarType): OnnxDatatype;
  /** `axis` counted from the front. Refuses an axis out of range. */
  axis(axis: number, rank: number): number;
  /** The number that stands for a string where it is known only at run time which string it is. */
  stringId(text: string): number;
  /** The strings that have a number, by it. */
  readonly strings: readonly string[];
  /** Warns the user that results may differ from PyTorch's. Each text is shown once. */
  warn(message: string): void;
  /** Ends the lowering. `what` says what is not supported, `hint` what to do. */
  unsupported(what: string, hint?: string): never;
}
