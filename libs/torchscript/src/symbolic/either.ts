import type { Emitter } from './emitter.ts';
import { onnxTypeOf } from './onnx-types.ts';
import { depthOf, sameDim } from './sym-int.ts';
import type { SymBool, TensorValue } from './values.ts';

/** Makes the tensors of one way of an If. */
export type Way = () => readonly TensorValue[];

/** Adds an If node for {@link LowerContext.either}. */
export function addIf(emitter: Emitter, condition: SymBool, then: Way, otherwise: Way): TensorValue[] {
  const test = emitter.condition(condition);
  const [a, b] = [then, otherwise].map((way) => {
    const scope = emitter.newScope();
    const results = emitter.within(scope, () => {
      const made = way();
      made.forEach((tensor) => {
        scope.builder.output({
          name: scope.builder.node('Identity', [emitter.name(tensor)], { hint: 'out' }),
          datatype: onnxTypeOf(tensor.dtype),
          shape: tensor.shape.map(() => null),
        });
      });
      return made;
    });
    return { results, graph: scope.builder.build(way === then ? 'then' : 'else') };
  });
  if (a === undefined || b === undefined) return [];
  const names = emitter.builder.nodes('If', [test], {
    outputs: a.results.length,
    attributes: { then_branch: { graph: a.graph }, else_branch: { graph: b.graph } },
  });
  return a.results.map(({ dtype, shape }, i) => {
    const other = b.results[i]?.shape ?? [];
    const dims = shape.map((dim, axis) =>
      sameDim(dim, other[axis] ?? -1) && depthOf(dim) <= emitter.depth ? dim : null,
    );
    return emitter.graphTensor(names[i] ?? '', dtype, dims);
  });
}
