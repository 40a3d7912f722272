export { openArchive } from './archive/open-archive.ts';
export { contiguousRange, readTensor } from './archive/read-tensor.ts';
export type { ByteRangeInFile, SourceOrigin, SourceText, TorchScriptArchive } from './archive/torchscript-archive.ts';
export { compileForCall, type CompiledForCall } from './calls/compile-for-call.ts';
export { compile, type CompiledModel, type CompileOptions } from './compile.ts';
export {
  describeArchive,
  type ArchiveDescription,
  type MethodDescription,
  type WeightDescription,
} from './describe-archive.ts';
export { printGraph } from './graph-ir/print-graph.ts';
export type { UnsupportedOp } from './symbolic/unsupported-report.ts';
export { OP_FAMILIES } from './lowering/registry.ts';
export type { OpDefinition } from './lowering/define-op.ts';
export { Program } from './frontend/program.ts';
export type { PickleTensor } from './pickle/pickle-value.ts';
export { datatypeOf, scalarTypeOf } from './scalar-datatype.ts';
export { SCALAR_TYPES, SCALAR_TYPE_BYTES, type ScalarType } from './scalar-type.ts';
export { spreadLists, type OutputColumn, type OutputList } from './signature/output-lists.ts';
export { inputsOfCall, methodParams, type CallArgument } from './signature/inputs-of-call.ts';
export type { InputOptions, TensorInput } from './signature/plan-inputs.ts';
export type { CompiledSignature, SignatureState, SignatureTensor } from './signature/resolve-signature.ts';
