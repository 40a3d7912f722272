/** Element types of the Open Inference Protocol, spelled as the protocol spells them. */
export type Datatype =
  | 'BOOL'
  | 'UINT8'
  | 'UINT16'
  | 'UINT32'
  | 'UINT64'
  | 'INT8'
  | 'INT16'
  | 'INT32'
  | 'INT64'
  | 'FP16'
  | 'BF16'
  | 'FP32'
  | 'FP64'
  | 'BYTES';

/** Every datatype whose elements all take the same number of bytes: all but BYTES. */
export type FixedDatatype = Exclude<Datatype, 'BYTES'>;

/** What a tensor looks like, without its data. In a model's signature a dimension of -1 is a free axis. */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

/** Inputs and outputs of a model; -1 in a shape is a free axis. */
export interface ModelSignature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/**
 * A tensor in the one form used everywhere in Sconce: raw little-endian, row-major bytes.
 *
 * `data` holds product(shape) × element size bytes, without padding; BOOL is one byte, 0 or 1. BYTES holds, per
 * element, a 4-byte little-endian length and then that many bytes, as the protocol's binary extension does.
 * `data` may be a view into a larger buffer, at any alignment, and may be backed by a SharedArrayBuffer.
 */
export interface Tensor extends TensorSpec {
  readonly data: Uint8Array;
}

/** Bytes per element; null for BYTES, whose elements differ in length. */
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

/** Every datatype, in the protocol's order. */
export const DATATYPES = Object.keys(DATATYPE_BYTES) as readonly Datatype[];

/** Whether a value read from outside is the name of a datatype. Names are case-sensitive. */
export function isDatatype(value: unknown): value is Datatype {
  return typeof value === 'string' && Object.hasOwn(DATATYPE_BYTES, value);
}

/** A spec for people, without its name: `FP32[-1,10]`. */
export function formatSpec(spec: Pick<TensorSpec, 'datatype' | 'shape'>): string {
  return `${spec.datatype}${formatShape(spec.shape)}`;
}

/** A shape for people: `[-1,10]`. Long shapes, which only a broken or hostile caller sends, are cut. */
export function formatShape(shape: readonly number[]): string {
  return shape.length <= 16 ? `[${shape.join(',')}]` : `[${shape.slice(0, 16).join(',')},… ${shape.length} dimensions]`;
}
