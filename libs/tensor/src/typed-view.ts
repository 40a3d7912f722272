import { DATATYPE_BYTES, type Datatype, type FixedDatatype, type Tensor } from './datatype.ts';
import { byteLength } from './shape.ts';
import { tensorError } from './tensor-error.ts';

/** The typed array that shows a datatype's elements. BF16 shows its 16 bits: JavaScript has no type for it. */
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
  FP16: Float16Array,
  BF16: Uint16Array,
  FP32: Float32Array,
  FP64: Float64Array,
} as const satisfies Record<FixedDatatype, unknown>;

// Declared for any memory, shared or not: the library's own declaration of Float16Array knows only the latter.
type ViewConstructor = new (memory: ArrayBufferLike, byteOffset: number, length: number) => unknown;

/**
 * The elements of a fixed-width tensor as a typed array: over the tensor's own memory where that is aligned for the
 * type, else over a copy. So read through it; do not write.
 *
 * Hosts are little-endian, as every platform with an ONNX Runtime for Node is. Throws 'invalid_tensor' for BYTES (see
 * `bytesElements`) and where the data are not as long as the shape says.
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
  // `new Uint8Array(data)`, not `slice`: on a Buffer, `slice` is a view at the same bad alignment.
  const aligned = data.byteOffset % size === 0 ? data : new Uint8Array(data);
  const View = VIEWS[datatype] as ViewConstructor;
  return new View(aligned.buffer, aligned.byteOffset, expected / size) as ViewByDatatype[D];
}

/** A zeroed typed array for `count` elements, from which `bytesOf` makes a tensor's data. */
export function allocateView<D extends FixedDatatype>(datatype: D, count: number): ViewByDatatype[D] {
  const View = VIEWS[datatype];
  return new View(count) as unknown as ViewByDatatype[D];
}

/** The bytes under a typed array, without a copy. */
export function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
