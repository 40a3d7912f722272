export type {
  ExternalData,
  OnnxAttribute,
  OnnxDatatype,
  OnnxDim,
  OnnxGraph,
  OnnxModel,
  OnnxNode,
  OnnxTensor,
  ValueInfo,
} from './model.ts';
export { GraphBuilder, type NodeOptions } from './graph-builder.ts';
export { IR_VERSION, OPSET } from './opset.ts';
export {
  ONNX_DATATYPES,
  ONNX_DATATYPE_NUMBERS,
  onnxDatatypeBytes,
  onnxDatatypeOfNumber,
  toDatatype,
  toOnnxDatatype,
} from './datatype.ts';
export { MAX_MODEL_BYTES, encodeModel } from './encode-model.ts';
export { encodeModelPieces, type ModelPieces } from './encode-pieces.ts';
export { decodeModel } from './decode-model.ts';
export { pruneGraph } from './prune.ts';
export { checkGraph } from './check-graph.ts';
export { findDataDependentNodes, type DataDependentNode } from './data-dependent-nodes.ts';
export { rowHints, type RowHints } from './row-hints.ts';
export { embedExternalData, externalLocations, isExternal, withExternalLocation } from './external-data.ts';
