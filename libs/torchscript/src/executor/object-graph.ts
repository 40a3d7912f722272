import { describePosition } from '../frontend/position.ts';
import type { Expr, Position } from '../frontend/ast.ts';
import type { Program } from '../frontend/program.ts';
import type { PickleObject, PickleTensor, PickleValue } from '../pickle/pickle-value.ts';
import { isPackedClass } from '../pickle/allowed-globals.ts';
import { modelError } from '../torchscript-error.ts';
import type { CodeCalls } from './expression-evaluator.ts';
import { DictValue, ListValue, ObjectValue, TensorValue, type Scalar, type Value } from '../symbolic/values.ts';

/** Elements of small tensors. They are read before execution, so that sizes and indices in buffers are known. */
export type SmallTensors = ReadonlyMap<PickleTensor, readonly Scalar[]>;

const MAX_NESTING = 500;

/**
 * Converts the archive's objects to values of the program. Each object of the file becomes one value, so shared modules stay
 * shared and tied weights stay tied.
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

  /** The root module. Runs `__setstate__` of all objects that have one. */
  root(object: PickleObject, calls: CodeCalls): ObjectValue {
    const root = this.#value(object, '', 0);
    if (!(root instanceof ObjectValue)) throw modelError('execute', 'data.pkl does not hold a module');
    for (const { object: restored, state } of this.#restoring.splice(0)) {
      calls.callMethod(restored, '__setstate__', { args: [this.#value(state, restored.path, 0)], kwargs: new Map() });
    }
    return root;
  }

  /** The value of `CONSTANTS.c<i>`. */
  constant(name: string, at: Position): Value {
    const index = /^c(\d+)$/.exec(name)?.[1];
    const value = index === undefined ? undefined : this.#constants[Number(index)];
    if (value === undefined) throw modelError('execute', `CONSTANTS.${name} does not exist at ${describePosition(at)}`);
    const constant = this.#value(value, `constants.${name}`, 0);
    if (!(constant instanceof TensorValue) || constant.content.data.kind !== 'elements') return constant;
    return new TensorValue({ ...constant.content, data: { ...constant.content.data, literal: true } });
  }

  /**
   * The expression of a constant that the object's class declares (`x : Final[int] = 3`), null for an attribute that is declared
   * None or Optional without a value, and undefined if there is no such attribute.
   */
  constantOf(object: ObjectValue, name: string): Expr | null | undefined {
    const attribute = this.#program
      .findClass(object.className)
      ?.attributes.find((candidate) => candidate.name === name);
    if (attribute?.value !== undefined) return attribute.value;
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
      object.attributes.set(name, inner(attribute, name));
    }
    if (isPackedClass(value.className)) object.attributes.set('state', inner(value.state ?? null, 'state'));
    else if (value.state !== undefined) this.#restoring.push({ object, state: value.state });
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
