import { SconceError, type ErrorCode } from '@sconce/errors';

/**
 * What ONNX Runtime says when values or sizes in the input do not fit an operator. It gives no codes to JavaScript, so its messages are
 * all there is. Registration has shown that the model runs, so these are faults of the input. Source: the kernels of ONNX Runtime 1.30.
 */
const INPUT_FAULTS: readonly RegExp[] = [
  // Gather, GatherElements, GatherND, ScatterElements, ScatterND, OneHot, Slice, Split
  /out of (?:data )?bounds|out of range|inclusive range|invalid ind(?:ex|ice)/i,
  // Reshape, Expand
  /cannot be reshaped|invalid expand shape/i,
  // Add, Mul, Where, MatMul, Gemm, PRelu, …
  /cannot broadcast|broadcast an axis|could not be broadcast|incompatible dim|incompatible matrix dim|dimension mismatch/i,
  // Concat, Conv, LSTM, Squeeze, inputs with a fixed size
  /must match|do(?:es)? not match|mismatch(?:ed|es)? |got invalid dimensions|invalid rank for input/i,
  // Conv, pools, Resize
  /invalid input shape|output (?:size|dimension|dim)s? .*(?:negative|less than|<= ?0)/i,
  // TopK, Pad, Range, Tile, ConstantOfShape
  /should not be greater than specified axis|reaching past the last|(?:can ?not|must not|should not) be (?:zero|negative|empty)|must be (?:non-?negative|positive|greater than)/i,
  // LayerNormalization, Squeeze, ArgMax, ReduceMax over nothing
  /dimension of input \d+ must be|reduc\w+ (?:on|over|along) (?:a dim with value of|.*empty|.*zero)/i,
];

const NO_MEMORY = /failed to allocate memory|bad_?alloc|cannot allocate memory|bad array new length|out of memory/i;

/**
 * The error of a run that ONNX Runtime refused or gave up, by its reason: `invalid_input` if values or sizes in the input do not fit an
 * operator, `out_of_memory` if memory was refused, else `inference_failed`.
 */
export function runError(reason: string, cause?: unknown): SconceError {
  const code = codeOf(reason);
  const details = code === 'out_of_memory' ? memoryDetails(reason) : {};
  const what = code === 'out_of_memory' ? 'The run needs more memory than there is' : 'The model failed on this input';
  return new SconceError(code, `${what}: ${reason}`, { cause, details });
}

function codeOf(reason: string): ErrorCode {
  if (NO_MEMORY.test(reason)) return 'out_of_memory';
  return INPUT_FAULTS.some((pattern) => pattern.test(reason)) ? 'invalid_input' : 'inference_failed';
}

/** The bytes that were asked for, if the reason has them. */
function memoryDetails(reason: string): { readonly requestedBytes?: number } {
  const bytes = /buffer of size (\d+)/.exec(reason)?.[1];
  return bytes === undefined ? {} : { requestedBytes: Number(bytes) };
}
