import type { Emitter } from '../symbolic/emitter.ts';
import { onnxTypeOf } from '../symbolic/onnx-types.ts';
import type { TensorValue } from '../symbolic/values.ts';

/** Makes a tensor an output of the current graph, under a new name. */
export function declareOutput(emitter: Emitter, tensor: TensorValue): void {
  const name = emitter.builder.node('Identity', [emitter.name(tensor)], { hint: 'out' });
  emitter.builder.output({
    name,
    datatype: onnxTypeOf(tensor.dtype),
    shape: tensor.content.shape.map(() => null),
  });
}
