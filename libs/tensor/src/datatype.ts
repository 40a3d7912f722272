/** Every datatype: the element types of the Open Inference Protocol, in its order and spelling. */
export const DATATYPES = [
  'BOOL',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'FP16',
  'BF16',
  'FP32',
  'FP64',
  'BYTES',
] as const;

/** One of {@link DATATYPES}. */
export type Datatype = (typeof DATATYPES)[number];

/** The datatypes whose elements all take the same number of bytes: all except BYTES. */
export type FixedDatatype = Exclude<Datatype, 'BYTES'>;

/** Name, datatype and shape of a tensor. In a model's signature a dimension of -1 is a free axis. */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

/** The inputs and outputs of a model. In a shape, -1 is a free axis. */
export interface ModelSignature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/**
 * A tensor in the form that all of Sconce uses: raw little-endian bytes in row-major order.
 *
 * `data` holds product(shape) × element size bytes, without padding. BOOL is one byte, 0 or 1. BYTES holds for each
 * element a 4-byte little-endian length and then that many bytes, as in the protocol's binary extension.
 * `data` may be a view into a larger buffer, at any alignment, and may be backed by a SharedArrayBuffer.
 */
export interface Tensor extends TensorSpec {
  readonly data: Uint8Array;
}

/** Bytes per element. Null for BYTES, because its elements differ in length. */
export const DATATYPE_BYTES: Readonly<Record<FixedDatatype, number> & { BYTES: null }> = {
  BOOL: 1,
  UINT8: 1,
  UINT16: 2,
  UINT32: 4,
  UINT64: 8,
  INT8: 1,
  INT16: 2,
  INT32: 4,
  INT64: 8,
  FP16: 2,
  BF16: 2,
  FP32: 4,
  FP64: 8,
  BYTES: null,
};

/** Tells whether a value from outside is the name of a datatype. Names are case-sensitive. */
export function isDatatype(value: unknown): value is Datatype {
  return typeof value === 'string' && Object.hasOwn(DATATYPE_BYTES, value);
}

/** A spec without its name, as messages show it: `FP32[-1,10]`. */
export function formatSpec(spec: Pick<TensorSpec, 'datatype' | 'shape'>): string {
  return `${spec.datatype}${formatShape(spec.shape)}`;
}

/** A shape as messages show it: `[-1,10]`. Only the first 16 dimensions of longer shapes are shown. */
export function formatShape(shape: readonly number[]): string {
  return shape.length <= 16 ? `[${shape.join(',')}]` : `[${shape.slice(0, 16).join(',')},… ${shape.length} dimensions]`;
}
