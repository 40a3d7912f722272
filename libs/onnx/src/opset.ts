/** The version of ONNX's own operator set that Sconce writes. */
export const OPSET = 21;

/** The version of ONNX's file format that Sconce writes. ONNX released it together with {@link OPSET}. */
export const IR_VERSION = 10;
