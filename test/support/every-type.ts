/** Values of each datatype at its edges, for the fixture model `every-type`. */
export const EVERY_TYPE: Readonly<Record<string, readonly unknown[]>> = {
  BOOL: [true, false],
  UINT8: [0, 255],
  UINT16: [0, 65_535],
  UINT32: [0, 4_294_967_295],
  UINT64: [0, 7],
  INT8: [-128, 127],
  INT16: [-32_768, 32_767],
  INT32: [-2_147_483_648, 2_147_483_647],
  INT64: [-9_007_199_254_740_991, 9],
  FP16: [-1.5, 0.25],
  FP32: [-1.5, 0.25],
  FP64: [-1.1, 1e300],
  BYTES: ['', 'naïve ☃'],
};
