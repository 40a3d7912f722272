/**
 * Element types in the order of PyTorch's numbers for them (`c10::ScalarType`). Serialised code uses these numbers as `dtype`.
 * Quantized and complex types are listed so that messages can name them.
 */
export const SCALAR_TYPES = [
  'uint8',
  'int8',
  'int16',
  'int32',
  'int64',
  'float16',
  'float32',
  'float64',
  'complex32',
  'complex64',
  'complex128',
  'bool',
  'qint8',
  'quint8',
  'qint32',
  'bfloat16',
] as const;

/** The name of an element type, as in `torch.<name>`. */
export type ScalarType = (typeof SCALAR_TYPES)[number];

/** Bytes of one element. */
export const SCALAR_TYPE_BYTES: Readonly<Record<ScalarType, number>> = {
  uint8: 1,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  float16: 2,
  float32: 4,
  float64: 8,
  complex32: 4,
  complex64: 8,
  complex128: 16,
  bool: 1,
  qint8: 1,
  quint8: 1,
  qint32: 4,
  bfloat16: 2,
};
