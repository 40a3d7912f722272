export {
  DATATYPES,
  DATATYPE_BYTES,
  formatShape,
  formatSpec,
  isDatatype,
  type Datatype,
  type FixedDatatype,
  type ModelSignature,
  type Tensor,
  type TensorSpec,
} from './datatype.ts';
export { MAX_RANK, byteLength, elementCount, matchesShape } from './shape.ts';
export { fromBfloat16Bits, toBfloat16Bits } from './bfloat16.ts';
export { HalfArray } from './half-array.ts';
export { allocateView, viewOf, type ViewByDatatype } from './typed-view.ts';
export { bytesElements, checkTensor, encodeBytes } from './bytes-elements.ts';
export { concatRows, padRows, rowCount, sliceRows, splitRows, writeRows } from './rows.ts';
export {
  FRAME_PREFIX_BYTES,
  decodeFrame,
  encodeFrame,
  frameHeaderEnd,
  framePieces,
  readFrameHeader,
  type Frame,
  type PlacedTensor,
} from './frame.ts';
export { checkJsonValues } from './decode-budget.ts';
export { measureJson, type JsonBounds, type JsonSize } from './json-bounds.ts';
export {
  bindInferSteps,
  bindTensorSteps,
  checkTensorSteps,
  decodeInferSteps,
  parseInferSteps,
} from './sliced/infer-steps.ts';
export { beginAnswer, jsonElements, type AnswerPieces } from './sliced/answer-pieces.ts';
export { STEP_BYTES, runToEnd, type Steps } from './sliced/steps.ts';
export { decodeJsonData, encodeJsonData, type NonFinite } from './oip-json.ts';
export { HEADER_LENGTH_HEADER } from './oip-binary.ts';
export {
  parseInferHead,
  readOutputHead,
  readTensorHead,
  type InferHead,
  type OipParameters,
  type OutputHead,
  type TensorHead,
} from './oip-head.ts';
export {
  bindInferHead,
  checkInputs,
  decodeInferRequest,
  type DecodeBudget,
  type InferBody,
  type InferRequest,
  type RequestedOutput,
  type ReserveBytes,
} from './oip-request.ts';
export { classify } from './oip-classification.ts';
export { classifySteps } from './sliced/classify-steps.ts';
export { requestError, tensorError } from './tensor-error.ts';
export { decodeSafetensors, encodeSafetensors } from './safetensors.ts';
export { casesOf, type CallCase } from './call-cases.ts';
export { bindCall, callOf, checkNames, isPartOf, type InputSpec, type ModelCall } from './model-call.ts';
export { compareOutput, failedReport, type OutputReport, type Tolerance } from './compare-output.ts';
export { encodeBinaryHead, type OipBody, type OipBodyParts } from './oip-body.ts';
export { encodeInferParts, encodeInferResponse, requestedTensor, type InferResponse } from './oip-response.ts';
export { decodeInferResponse, encodeInferRequest, type InferAnswer, type InferCall } from './oip-client.ts';
export { MAX_UNUSED, named, unusedParts } from './unused-parts.ts';
