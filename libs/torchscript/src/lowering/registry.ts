import { SconceError } from '@sconce/errors';

import type { OperatorTable } from './call-operator.ts';
import { overloadKey, type OpDefinition } from './define-op.ts';
import { activation } from './ops/activation.ts';
import { attention } from './ops/attention.ts';
import { convolution } from './ops/convolution.ts';
import { HISTORIC } from './ops/historic.ts';
import { indexing } from './ops/indexing/indexing.ts';
import { scalar } from './ops/scalar/scalar.ts';
import { creation } from './ops/creation/creation.ts';
import { elementwise } from './ops/elementwise/elementwise.ts';
import { linear } from './ops/linear.ts';
import { groupedMatmul } from './ops/grouped-matmul.ts';
import { normalization } from './ops/normalization.ts';
import { pooling } from './ops/pooling/pooling.ts';
import { recurrent } from './ops/recurrent/recurrent.ts';
import { loss } from './ops/loss.ts';
import { quantized } from './ops/quantized/quantized.ts';
import { reduction } from './ops/reduction/reduction.ts';
import { shape } from './ops/shape/shape.ts';
import { signal } from './ops/signal/signal.ts';
import { vision } from './ops/vision/vision.ts';

/** All supported operators, by family. Add new families here. */
export const OP_FAMILIES: readonly (readonly OpDefinition[])[] = [
  activation,
  attention,
  convolution,
  indexing,
  scalar,
  creation,
  elementwise,
  [...linear, ...groupedMatmul],
  normalization,
  pooling,
  quantized,
  recurrent,
  loss,
  reduction,
  shape,
  signal,
  vision,
];

/**
 * The operators by name without overload, with their meaning in archives of `version`. Overloads are in the order of their definition.
 */
export function operatorTable(families = OP_FAMILIES, version = Infinity): OperatorTable {
  const historic = new Map(
    HISTORIC.filter(({ before }) => version < before).flatMap(({ ops }) =>
      ops.map((definition) => [overloadKey(definition.schema), definition] as const),
    ),
  );
  const table = new Map<string, OpDefinition[]>();
  const keys = new Set<string>();
  for (const definition of families.flat()) {
    const key = overloadKey(definition.schema);
    if (keys.has(key)) throw new SconceError('internal', `${key} is defined in two families`);
    keys.add(key);
    const { name } = definition.schema;
    table.set(name, [...(table.get(name) ?? []), historic.get(key) ?? definition]);
  }
  return table;
}
