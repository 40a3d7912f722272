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

/** One dimension: a size, a name for a free size, or null for unknown. */
export type OnnxDim = number | string | null;

/** A graph input or output: a tensor's type. */
export interface ValueInfo {
  readonly name: string;
  readonly datatype: OnnxDatatype;
  /** Undefined where the rank is unknown. */
  readonly shape: readonly OnnxDim[] | undefined;
}

/** Bytes in another file, named relative to the model's folder. */
export interface ExternalData {
  readonly location: string;
  /** Bytes. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

/** A constant tensor: little-endian, row-major bytes (strings as texts) here, or a range of another file. */
export interface OnnxTensor {
  readonly name: string;
  readonly datatype: OnnxDatatype;
  readonly dims: readonly number[];
  readonly data: Uint8Array | readonly string[] | ExternalData;
}

/**
 * A node's attribute. ONNX tells ints from floats, so plain values say which by their form:
 * `{int}`, `{ints}`, `{float}`, `{floats}`, `{string}`, `{strings}`, `{tensor}`, `{graph}`.
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
  /** `''` is ONNX's own operator set. */
  readonly domain: string;
  readonly name: string;
  /** `''` stands for an optional input that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

export interface OnnxGraph {
  readonly name: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly initializers: readonly OnnxTensor[];
  /** In an order in which every value is computed before it is used. */
  readonly nodes: readonly OnnxNode[];
}

export interface OnnxModel {
  readonly irVersion: number;
  /** Version by domain; `''` is ONNX's own. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer: string;
  readonly graph: OnnxGraph;
  /** `metadata_props`. */
  readonly metadata: Readonly<Record<string, string>>;
}
