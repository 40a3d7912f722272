import type { Emitter } from '../symbolic/emitter.ts';
import { leafTensor, leafType } from '../symbolic/merge.ts';
import {
  DictValue,
  isEnum,
  isTuple,
  ListValue,
  UnknownValue,
  type TensorValue,
  type Value,
} from '../symbolic/values.ts';

/** One output of the compiled model. */
export interface FlatOutput {
  readonly name: string;
  readonly tensor: TensorValue;
}

/**
 * Flattens the value that a method returned, in order. Entries of a dict and fields of a NamedTuple keep their names, other outputs
 * are `output_<position>`. Numbers become tensors of rank 0. None is left out; so are strings and objects, with a warning.
 */
export function flattenOutputs(value: Value, emitter: Emitter): FlatOutput[] {
  const outputs: { name: string | undefined; tensor: TensorValue }[] = [];
  flatten(value, undefined, emitter, outputs);
  return outputs.map(({ name, tensor }, i) => ({ name: name ?? `output_${i}`, tensor }));
}

function flatten(
  value: Value,
  name: string | undefined,
  emitter: Emitter,
  outputs: { name: string | undefined; tensor: TensorValue }[],
): void {
  const below = (key: string): string => (name === undefined ? key : `${name}.${key}`);
  if (value === null || value instanceof UnknownValue) return;
  if (value instanceof ListValue) {
    if (value.stack !== undefined) {
      emitter.warn(
        'the model returns a list whose length depends on the input: the output is one tensor, with the elements stacked along axis 0',
      );
      outputs.push({ name, tensor: value.stack });
      return;
    }
    value.items.forEach((item, i) =>
      flatten(item, name === undefined ? undefined : below(String(i)), emitter, outputs),
    );
    return;
  }
  if (value instanceof DictValue) {
    for (const [key, item] of value.entries) flatten(item, below(String(key)), emitter, outputs);
    return;
  }
  if (isTuple(value)) {
    value.items.forEach((item, i) => {
      const field = value.named?.fields[i];
      flatten(
        item,
        field === undefined ? (name === undefined ? undefined : below(String(i))) : below(field),
        emitter,
        outputs,
      );
    });
    return;
  }
  if (isEnum(value)) return flatten(value.value, name, emitter, outputs);
  const type = leafType(value);
  if (type === undefined) {
    emitter.warn(
      `the model returns ${typeof value === 'string' ? 'a string' : 'an object'}, which is left out of its outputs`,
    );
    return;
  }
  outputs.push({ name, tensor: leafTensor(emitter, value, type) });
}
