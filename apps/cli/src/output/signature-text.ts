import type { CompiledSignature, SignatureTensor } from '@sconce/torchscript';

/** A signature for people: a line per input, output and state. */
export function describeSignature(signature: CompiledSignature): string {
  const state = new Set(signature.state.flatMap(({ input, output }) => [input, output]));
  const lines = (label: string, tensors: readonly SignatureTensor[]): string[] =>
    tensors.map((tensor) => `${label} ${describeTensor(tensor)}${state.has(tensor.name) ? '  (state)' : ''}`);
  return [
    ...lines('input ', signature.inputs),
    ...lines('output', signature.outputs),
    `batch  ${signature.batch.axis}: ${signature.batch.evidence}`,
  ].join('\n');
}

/** `x: float32[x_0, 10]`: names are free axes, ? one whose size only the run tells. */
export function describeTensor({ name, dtype, shape }: SignatureTensor): string {
  return `${name}: ${dtype}[${shape.map((size) => size ?? '?').join(', ')}]`;
}
