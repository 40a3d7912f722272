import { describePosition } from '../frontend/position.ts';
import type { Position } from '../frontend/ast.ts';
import type { Program } from '../frontend/program.ts';
import type { PickleObject, PickleTensor, PickleValue } from '../pickle/pickle-value.ts';
import { modelError } from '../torchscript-error.ts';
import type { Interpreter } from './interpreter.ts';
import { DictValue, ListValue, ObjectValue, TensorValue, type Scalar, type Value } from '../symbolic/values.ts';

/** Elements of small tensors that were read beforehand, so that sizes and indices kept in buffers are known. */
export type SmallTensors = ReadonlyMap<PickleTensor, readonly Scalar[]>;

const MAX_NESTING = 500;

/**
 * The archive's objects as values of the program. What is one object in the file is one value, so shared modules stay shared
 * and tied weights stay tied.
 */
export class ObjectGraph {
  readonly #program: Program;
  readonly #constants: readonly PickleValue[];
  readonly #small: SmallTensors;
  readonly #values = new Map<object, Value>();
  readonly #restoring: { object: ObjectValue; state: PickleValue }[] = [];

  constructor(program: Program, constants: readonly PickleValue[], small: SmallTensors) {
    this.#program = program;
    this.#constants = constants;
    this.#small = small;
  }

  /** The root module. `__setstate__` of objects that have one runs here. */
  root(object: PickleObject, interpreter: Interpreter): ObjectValue {
    const root = this.#value(object, '', 0);
    if (!(root instanceof ObjectValue)) throw modelError('execute', 'data.pkl does not hold a module');
    for (const { object: restored, state } of this.#restoring.splice(0)) {
      interpreter.callMethod(restored, '__setstate__', [this.#value(state, restored.path, 0)], new Map());
    }
    return root;
  }

  /** `CONSTANTS.c<i>`. */
  constant(name: string, at: Position): Value {
    const index = /^c(\d+)$/.exec(name)?.[1];
    const value = index === undefined ? undefined : this.#constants[Number(index)];
    if (value === undefined) throw modelError('execute', `CONSTANTS.${name} does not exist at ${describePosition(at)}`);
    const constant = this.#value(value, `constants.${name}`, 0);
    if (!(constant instanceof TensorValue) || constant.content.data.kind !== 'elements') return constant;
    return new TensorValue({ ...constant.content, data: { ...constant.content.data, literal: true } });
  }

  /** A class's own constant (`x : Final[int] = 3`), or None for what is declared as None; undefined where it has none of that name. */
  constantOf(object: ObjectValue, name: string, interpreter: Interpreter): Value | undefined {
    const attribute = this.#program
      .findClass(object.className)
      ?.attributes.find((candidate) => candidate.name === name);
    if (attribute?.value !== undefined) return interpreter.evaluate(attribute.value, new Map());
    return attribute?.type?.name === 'NoneType' || attribute?.type?.name === 'Optional' ? null : undefined;
  }

  #value(value: PickleValue, path: string, depth: number): Value {
    if (value === null || typeof value !== 'object') return value;
    const present = this.#values.get(value);
    if (present !== undefined) return present;
    if (depth > MAX_NESTING) throw modelError('execute', `objects are nested more than ${MAX_NESTING} deep at ${path}`);
    const inner = (item: PickleValue, name: string): Value =>
      this.#value(item, path === '' ? name : `${path}.${name}`, depth + 1);
    switch (value.kind) {
      case 'object':
        return this.#object(value, path, inner);
      case 'list': {
        const list = new ListValue([]);
        this.#values.set(value, list);
        list.stored = value.items.map((item, i) => inner(item, String(i)));
        return list;
      }
      case 'dict': {
        const dict = new DictValue([]);
        this.#values.set(value, dict);
        dict.stored = value.entries.map(([key, item]) => [inner(key, 'key'), inner(item, String(key))] as const);
        return dict;
      }
      case 'tuple': {
        const tuple: Value = { kind: 'tuple', items: value.items.map((item, i) => inner(item, String(i))) };
        this.#values.set(value, tuple);
        return tuple;
      }
      case 'tensor':
        return this.#remember(value, this.#tensor(value, path));
      case 'device':
        return { kind: 'device', device: value.device };
      case 'complex':
        throw modelError('execute', `${path} is a complex number: complex numbers are not supported`);
    }
  }

  #remember(key: object, value: Value): Value {
    this.#values.set(key, value);
    return value;
  }

  #object(value: PickleObject, path: string, inner: (item: PickleValue, name: string) => Value): Value {
    const definition = this.#program.findClass(value.className);
    if (definition?.base === 'Enum') {
      const member = value.attributes.get('value') ?? null;
      const held = inner(member, 'value');
      const named = definition.attributes.find(
        (attribute) => attribute.value?.kind === 'literal' && attribute.value.value === held,
      );
      return this.#remember(value, { kind: 'enum', className: value.className, name: named?.name ?? '', value: held });
    }
    if (definition?.base === 'NamedTuple') {
      const fields = definition.attributes.map(({ name }) => name);
      const items = fields.map((field) => inner(value.attributes.get(field) ?? null, field));
      return this.#remember(value, { kind: 'tuple', items, named: { className: value.className, fields } });
    }
    const object = new ObjectValue(value.className, new Map(), path);
    this.#values.set(value, object);
    for (const [name, attribute] of value.attributes) {
      // Module.eval() is what a served model means.
      object.attributes.set(name, name === 'training' ? false : inner(attribute, name));
    }
    if (value.state !== undefined) this.#restoring.push({ object, state: value.state });
    return object;
  }

  #tensor(tensor: PickleTensor, path: string): TensorValue {
    const { dtype } = tensor.storage;
    const elements = this.#small.get(tensor);
    return new TensorValue({
      dtype,
      shape: tensor.sizes,
      data: elements === undefined ? { kind: 'weight', tensor, path } : { kind: 'elements', elements },
      contiguous: true,
    });
  }
}
