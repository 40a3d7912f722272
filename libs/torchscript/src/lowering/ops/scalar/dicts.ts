import type { LowerContext } from '../../../symbolic/lower-context.ts';
import { DictValue, isTuple, ListValue, type Value } from '../../../symbolic/values.ts';
import { textOf } from '../../python-text.ts';
import { isSame } from '../../same-value.ts';
import { scalarFamily } from './scalar-family.ts';

const { ops, defineScalarOp, defineTolerantOp } = scalarFamily();

/** Python's dicts. Keys stay in the order in which they were added. */
export const dicts = ops;

type Entry = readonly [Value, Value];

const entriesOf = (dict: Value | undefined): readonly Entry[] => (dict as DictValue).entries;

function find(context: LowerContext, dict: Value | undefined, key: Value | undefined): Entry | undefined {
  return entriesOf(dict).find(([candidate]) => isSame(context, candidate, key));
}

function missing(context: LowerContext, key: Value | undefined): never {
  return context.unsupported(`key ${textOf(key ?? null)} of a dict that does not have it`, 'PyTorch fails here too');
}

function put(context: LowerContext, dict: Value | undefined, key: Value, value: Value): void {
  const present = find(context, dict, key);
  const entries = entriesOf(dict);
  const changed =
    present === undefined
      ? [...entries, [key, value] as const]
      : entries.with(entries.indexOf(present), [present[0], value]);
  context.heap.setEntries(dict as DictValue, changed);
}

function remove(context: LowerContext, dict: Value | undefined, entry: Entry): Value {
  context.heap.setEntries(
    dict as DictValue,
    entriesOf(dict).filter((other) => other !== entry),
  );
  return entry[1];
}

const tuple = (items: readonly Value[]): Value => ({ kind: 'tuple', items });

defineScalarOp('aten::len.Dict_str(Dict(str, t) self) -> int', (_, { self }) => BigInt(entriesOf(self).length));
defineScalarOp(
  'aten::__getitem__.Dict_str(Dict(str, t) self, t key) -> t(*)',
  (context, { self, key }) => (find(context, self, key) ?? missing(context, key))[1],
);
defineScalarOp(
  'aten::__contains__.str(Dict(str, t) dict, t key) -> bool',
  (context, { dict, key }) => find(context, dict, key) !== undefined,
);
defineTolerantOp(
  'aten::get.default_str(Dict(str, t) self, t key, t default_value=None) -> t(*)',
  (context, args) => (find(context, args['self'], args['key']) ?? [null, args['default_value'] ?? null])[1],
);
defineScalarOp(
  'aten::keys.str(Dict(str, t) self) -> str[](*)',
  (_, { self }) => new ListValue(entriesOf(self).map(([key]) => key)),
);
defineScalarOp(
  'aten::values.str(Dict(str, t) self) -> t[](*)',
  (_, { self }) => new ListValue(entriesOf(self).map(([, value]) => value)),
);
defineScalarOp(
  'aten::items.str(Dict(str, t) self) -> ((str, t)[])',
  (_, { self }) => new ListValue(entriesOf(self).map(tuple)),
);
defineScalarOp(
  'aten::copy.Dict_str(Dict(str, t)(a) self) -> Dict(str, t)',
  (_, { self }) => new DictValue(entriesOf(self)),
);
defineScalarOp('aten::dict() -> Dict(str, t)', () => new DictValue([]));
defineScalarOp(
  'aten::dict.Dict_str(Dict(str, t)(a) self) -> Dict(str, t)',
  (_, { self }) => new DictValue(entriesOf(self)),
);
defineScalarOp('aten::dict.str(t[] inputs) -> Dict(str, tVal)', (context, { inputs }) => {
  const dict = new DictValue([]);
  for (const item of (inputs as ListValue).items) {
    if (isTuple(item)) put(context, dict, item.items[0] ?? null, item.items[1] ?? null);
  }
  return dict;
});

defineTolerantOp('aten::_set_item.str(Dict(str, t)(a!) l, t idx, t v) -> ()', (context, { l, idx, v }) => {
  put(context, l, idx ?? null, v ?? null);
});
defineScalarOp('aten::setdefault.str(Dict(str, t)(a!) self, t key, t default_value) -> t(*)', (context, args) => {
  const present = find(context, args['self'], args['key']);
  if (present !== undefined) return present[1];
  put(context, args['self'], args['key'] ?? null, args['default_value'] ?? null);
  return args['default_value'];
});
defineTolerantOp(
  'aten::update.str(Dict(str, t)(a!) self, Dict(str, t)(a!) to_add) -> ()',
  (context, { self, to_add }) => {
    for (const [key, value] of entriesOf(to_add)) put(context, self, key, value);
  },
);
defineScalarOp('aten::pop.Dict_default_str(Dict(str, t)(a!) self, t key, t default_value) -> t(*)', (context, args) => {
  const present = find(context, args['self'], args['key']);
  return present === undefined ? args['default_value'] : remove(context, args['self'], present);
});
defineScalarOp('aten::pop.Dict_str(Dict(str, t)(a!) self, t key) -> t(*)', (context, { self, key }) =>
  remove(context, self, find(context, self, key) ?? missing(context, key)),
);
defineScalarOp('aten::popitem.str(Dict(str, t)(a!) self) -> ((str, t))', (context, { self }) => {
  const last = entriesOf(self).at(-1) ?? missing(context, null);
  remove(context, self, last);
  return tuple(last);
});
defineScalarOp('aten::Delete.Dict_str(Dict(str, t)(a!) self, t key) -> ()', (context, { self, key }) => {
  remove(context, self, find(context, self, key) ?? missing(context, key));
});
defineScalarOp('aten::clear.str(Dict(str, t)(a!) self) -> ()', (context, { self }) => {
  context.heap.setEntries(self as DictValue, []);
});
