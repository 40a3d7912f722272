import type { CompiledSignature, SignatureTensor } from '@sconce/torchscript';

/** A signature for people: a line per input, output and state, and what there is to say about the batch axis. */
export function describeSignature(signature: CompiledSignature): string {
  const state = new Set(signature.state.flatMap(({ input, output }) => [input, output]));
  const line =
    (label: string) =>
    (tensor: SignatureTensor): string =>
      `${label} ${describeTensor(tensor)}${state.has(tensor.name) ? '  (state, handed from call to call)' : ''}`;
  const { axis, evidence } = signature.batch;
  return [
    ...signature.inputs.map(line('input ')),
    ...signature.outputs.map(line('output')),
    `batch  ${axis === 'candidate' ? 'axis 0, as far as the graph tells' : 'the graph tells of no batch axis'}: ${evidence}`,
  ].join('\n');
}

/** `x: float32[x_0, 10]`: names are free axes, ? one whose size only the run tells. */
export function describeTensor({ name, dtype, shape }: SignatureTensor): string {
  return `${name}: ${dtype}[${shape.map((size) => size ?? '?').join(', ')}]`;
}
