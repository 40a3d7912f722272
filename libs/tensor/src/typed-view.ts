import { DATATYPE_BYTES, type Datatype, type FixedDatatype, type Tensor } from './datatype.ts';
import { HalfArray } from './half-array.ts';
import { byteLength } from './shape.ts';
import { tensorError } from './tensor-error.ts';

/** The typed array for each datatype. For BF16 it holds the 16 bits, because JavaScript has no such type. */
export interface ViewByDatatype {
  BOOL: Uint8Array;
  UINT8: Uint8Array;
  UINT16: Uint16Array;
  UINT32: Uint32Array;
  UINT64: BigUint64Array;
  INT8: Int8Array;
  INT16: Int16Array;
  INT32: Int32Array;
  INT64: BigInt64Array;
  FP16: Float16Array;
  BF16: Uint16Array;
  FP32: Float32Array;
  FP64: Float64Array;
  BYTES: never;
}

const VIEWS = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  FP16: HalfArray,
  BF16: Uint16Array,
  FP32: Float32Array,
  FP64: Float64Array,
} as const satisfies Record<FixedDatatype, unknown>;

// TypeScript declares Float16Array for unshared memory only. This type allows shared memory too.
type ViewConstructor = new (memory: ArrayBufferLike, byteOffset: number, length: number) => unknown;

/**
 * The elements of a fixed-width tensor as a typed array. It views the tensor's own memory if that is aligned for the
 * type, otherwise a copy. So callers may only read it.
 *
 * Assumes a little-endian host: every platform with ONNX Runtime for Node is one. Throws 'invalid_tensor' for BYTES
 * (use `bytesElements`) and if the data has another length than the shape requires.
 */
export function viewOf<D extends Datatype>(tensor: Tensor & { readonly datatype: D }): ViewByDatatype[D] {
  const { name, data, shape } = tensor;
  const datatype: Datatype = tensor.datatype;
  if (datatype === 'BYTES') {
    throw tensorError(name, 'BYTES has no typed array; read it with bytesElements');
  }
  const expected = byteLength(datatype, shape, name);
  if (data.byteLength !== expected) {
    throw tensorError(name, `data have ${data.byteLength} bytes; expected ${expected}`);
  }
  const size = DATATYPE_BYTES[datatype];
  // Not `data.slice()`: on a Buffer that gives a view with the same alignment.
  const aligned = data.byteOffset % size === 0 ? data : new Uint8Array(data);
  const View = VIEWS[datatype] as ViewConstructor;
  return new View(aligned.buffer, aligned.byteOffset, expected / size) as ViewByDatatype[D];
}

/** A typed array of `count` zeros. `bytesOf` gives its bytes as the data of a tensor. */
export function allocateView<D extends FixedDatatype>(datatype: D, count: number): ViewByDatatype[D] {
  const View = VIEWS[datatype];
  return new View(count) as unknown as ViewByDatatype[D];
}

/** The bytes under a typed array, without a copy. */
export function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
