/** Element types of ONNX, as `TensorProto.DataType` names them. */
export type OnnxDatatype =
  | 'FLOAT'
  | 'UINT8'
  | 'INT8'
  | 'UINT16'
  | 'INT16'
  | 'INT32'
  | 'INT64'
  | 'STRING'
  | 'BOOL'
  | 'FLOAT16'
  | 'DOUBLE'
  | 'UINT32'
  | 'UINT64'
  | 'BFLOAT16';

/** One dimension: a size, the name of a free size, or null if nothing is known. */
export type OnnxDim = number | string | null;

/** A graph input or output: its name and the type of its tensor. */
export interface ValueInfo {
  readonly name: string;
  readonly datatype: OnnxDatatype;
  /** Undefined if the rank is unknown. */
  readonly shape: readonly OnnxDim[] | undefined;
}

/** A range of another file. */
export interface ExternalData {
  /** Path of the file, relative to the model's folder. */
  readonly location: string;
  /** Bytes. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

/** A constant tensor. */
export interface OnnxTensor {
  readonly name: string;
  readonly datatype: OnnxDatatype;
  readonly dims: readonly number[];
  /** Little-endian bytes in row-major order; for STRING an array of strings; or a range of another file. */
  readonly data: Uint8Array | readonly string[] | ExternalData;
}

/**
 * A node's attribute. ONNX distinguishes integers from floats, which JavaScript numbers do not, so the key names the
 * type: `{int}`, `{ints}`, `{float}`, `{floats}`, `{string}`, `{strings}`, `{tensor}`, `{graph}`.
 */
export type OnnxAttribute =
  | { readonly int: number | bigint }
  | { readonly ints: readonly (number | bigint)[] }
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly string: string }
  | { readonly strings: readonly string[] }
  | { readonly tensor: OnnxTensor }
  | { readonly graph: OnnxGraph };

export interface OnnxNode {
  readonly opType: string;
  /** `''` means ONNX's own operator set. */
  readonly domain: string;
  readonly name: string;
  /** `''` means that an optional input is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

export interface OnnxGraph {
  readonly name: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly initializers: readonly OnnxTensor[];
  /** Ordered so that every value is computed before it is used. */
  readonly nodes: readonly OnnxNode[];
}

export interface OnnxModel {
  readonly irVersion: number;
  /** Version by domain. `''` means ONNX's own operator set. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer: string;
  readonly graph: OnnxGraph;
  /** The file's `metadata_props`. */
  readonly metadata: Readonly<Record<string, string>>;
}
