/** Numbers of `AttributeProto.AttributeType`, for the kinds of attributes that {@link OnnxAttribute} can hold. */
export const ATTRIBUTE_TYPES = {
  FLOAT: 1,
  INT: 2,
  STRING: 3,
  TENSOR: 4,
  GRAPH: 5,
  FLOATS: 6,
  INTS: 7,
  STRINGS: 8,
} as const;

/** The other kinds, as error messages name them. */
export const UNSUPPORTED_ATTRIBUTE_TYPES: ReadonlyMap<number, string> = new Map([
  [9, 'a list of tensors'],
  [10, 'a list of graphs'],
  [11, 'a sparse tensor'],
  [12, 'a list of sparse tensors'],
  [13, 'a type'],
  [14, 'a list of types'],
]);

/** `TensorProto.DataLocation.EXTERNAL`. */
export const DATA_LOCATION_EXTERNAL = 1;
