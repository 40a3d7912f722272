import type { CompiledSignature, SignatureTensor } from '@sconce/torchscript';

/** A signature, for people: one line per input and output, and one about the batch axis. */
export function describeSignature(signature: CompiledSignature): string {
  const state = new Set(signature.state.flatMap(({ input, output }) => [input, output]));
  const line =
    (label: string) =>
    (tensor: SignatureTensor): string =>
      `${label} ${describeTensor(tensor)}${state.has(tensor.name) ? '  (state, kept from call to call)' : ''}`;
  const { axis, evidence } = signature.batch;
  return [
    ...signature.inputs.map(line('input ')),
    ...signature.outputs.map(line('output')),
    `batch  ${axis === 'candidate' ? 'axis 0, according to the graph' : 'the graph shows no batch axis'}: ${evidence}`,
  ].join('\n');
}

/** `x: float32[x_0, 10]`: a name is a free axis; `?` is a size that only a run shows. */
export function describeTensor({ name, dtype, shape }: SignatureTensor): string {
  return `${name}: ${dtype}[${shape.map((size) => size ?? '?').join(', ')}]`;
}
