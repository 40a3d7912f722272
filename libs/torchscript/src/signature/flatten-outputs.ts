import { modelError } from '../torchscript-error.ts';
import type { OutputList } from './output-lists.ts';
import type { Emitter } from '../symbolic/emitter.ts';
import { leafTensor, leafType } from '../symbolic/merge.ts';
import {
  DictValue,
  isEnum,
  isTuple,
  ListValue,
  MaybeValue,
  UnknownValue,
  type Column,
  type GrownItems,
  type ItemForm,
  type TensorValue,
  type Value,
} from '../symbolic/values.ts';

/** One output of the compiled model. */
export interface FlatOutput {
  readonly name: string;
  /** The numbers of the strings if `isText`. */
  readonly tensor: TensorValue;
  readonly isText?: boolean;
}

/** The outputs of a method. */
export interface FlatOutputs {
  readonly outputs: readonly FlatOutput[];
  readonly lists: readonly OutputList[];
}

/** An output whose name may follow from its position. */
interface OpenOutput {
  readonly name: string | undefined;
  /** The end of the name of an output that belongs to the output before. */
  readonly suffix?: string;
  readonly tensor: TensorValue;
  readonly isText?: boolean;
}

/**
 * Flattens the value that a method returned, in order. Entries of a dict and fields of a NamedTuple keep their names, other outputs
 * are `output_<position>`. Numbers become tensors of rank 0. None is left out; so are strings and objects, with a warning.
 * A list of unknown length becomes one output for each leaf of its items, see {@link OutputList}.
 */
export function flattenOutputs(value: Value, emitter: Emitter): FlatOutputs {
  const open: OpenOutput[] = [];
  const lists: { readonly at: number; readonly columns: readonly Column[]; readonly depths: readonly number[] }[] = [];
  flatten(value, undefined, emitter, {
    outputs: open,
    list: (columns, depths) => lists.push({ at: open.length, columns, depths }),
  });
  let position = 0;
  let last = '';
  const outputs = open.map(({ name, suffix, tensor, isText }): FlatOutput => {
    if (suffix === undefined) last = name ?? `output_${position++}`;
    return { name: `${last}${suffix ?? ''}`, tensor, isText };
  });
  return {
    outputs,
    lists: lists.map(({ at, columns, depths }) => {
      let next = at;
      const name = (): string => outputs[next++]?.name ?? '';
      return {
        columns: columns.map(({ sizes }, i) => ({
          values: name(),
          ...(sizes === undefined ? {} : { sizes: name() }),
          depth: depths[i] ?? 1,
        })),
      };
    }),
  };
}

/** Collects outputs. */
interface Collected {
  readonly outputs: OpenOutput[];
  /** Notes that the outputs that follow hold the columns of a list, and how deep its lists are nested. */
  readonly list: (columns: readonly Column[], depths: readonly number[]) => void;
}

function flattenList(name: string | undefined, { form, columns }: GrownItems, collected: Collected): void {
  const leaves = leafForms(form, 1);
  collected.list(
    columns,
    leaves.map(({ depth }) => depth),
  );
  columns.forEach(({ data, sizes }, i) => {
    const own = name === undefined || columns.length === 1 ? name : `${name}.${i}`;
    collected.outputs.push({ name: own, tensor: data, isText: leaves[i]?.isText === true });
    if (sizes !== undefined) collected.outputs.push({ name: own, suffix: '.sizes', tensor: sizes });
  });
}

/** The leaves of an item: how many lists each is in, and whether it is a string. */
function leafForms(form: ItemForm, depth: number): readonly { readonly depth: number; readonly isText: boolean }[] {
  if (form.kind === 'tuple') return form.items.flatMap((item) => leafForms(item, depth));
  if (form.kind === 'list') return leafForms(form.of, depth + 1);
  return [{ depth, isText: form.kind === 'str' }];
}

function flatten(value: Value, name: string | undefined, emitter: Emitter, collected: Collected): void {
  const below = (key: string): string => (name === undefined ? key : `${name}.${key}`);
  if (value === null || value instanceof UnknownValue) return;
  if (value instanceof ListValue) {
    if (value.grown !== undefined) return flattenList(name, value.grown, collected);
    value.items.forEach((item, i) =>
      flatten(item, name === undefined ? undefined : below(String(i)), emitter, collected),
    );
    return;
  }
  if (value instanceof DictValue) {
    for (const [key, item] of value.entries) flatten(item, below(String(key)), emitter, collected);
    return;
  }
  if (isTuple(value)) {
    value.items.forEach((item, i) => {
      const field = value.named?.fields[i];
      flatten(
        item,
        field === undefined ? (name === undefined ? undefined : below(String(i))) : below(field),
        emitter,
        collected,
      );
    });
    return;
  }
  if (isEnum(value)) return flatten(value.value, name, emitter, collected);
  if (value instanceof MaybeValue) {
    throw modelError(
      'execute',
      'the model returns an Optional, and only a run knows whether it is None: return a tensor, and a bool that says whether it counts',
    );
  }
  const type = leafType(value);
  if (type === undefined || typeof value === 'string') {
    emitter.warn(
      `the model returns ${typeof value === 'string' ? 'a string' : 'an object'}, which is left out of its outputs`,
    );
    return;
  }
  collected.outputs.push({ name, tensor: leafTensor(emitter, value, type), isText: type.kind === 'str' });
}
