import type { Datatype } from '@sconce/tensor';

/** ONNX Runtime's names of the tensor element types that its Node binding supports. */
export type OrtType =
  | 'bool'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'float16'
  | 'float32'
  | 'float64'
  | 'string';

/** Open Inference Protocol datatype → ONNX Runtime type; BF16 has no counterpart in the Node binding (1.30). */
export const ORT_TYPE: Readonly<Record<Datatype, OrtType | undefined>> = {
  BOOL: 'bool',
  UINT8: 'uint8',
  UINT16: 'uint16',
  UINT32: 'uint32',
  UINT64: 'uint64',
  INT8: 'int8',
  INT16: 'int16',
  INT32: 'int32',
  INT64: 'int64',
  FP16: 'float16',
  BF16: undefined,
  FP32: 'float32',
  FP64: 'float64',
  BYTES: 'string',
};

const DATATYPE = new Map<string, Datatype>(
  Object.entries(ORT_TYPE).flatMap(([datatype, ort]) => (ort === undefined ? [] : [[ort, datatype as Datatype]])),
);

/** The protocol's datatype for an ONNX Runtime type, or undefined if there is none (complex64, …). */
export function datatypeOf(ortType: string): Datatype | undefined {
  return DATATYPE.get(ortType);
}
