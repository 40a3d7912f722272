import { modelError } from '../torchscript-error.ts';
import { numberInput, tensorInput } from './plan-inputs.ts';
import type { FlatOutput } from './flatten-outputs.ts';
import type { Emitter } from '../symbolic/emitter.ts';
import { leafTensor, leafType, type LeafType } from '../symbolic/merge.ts';
import { ObjectValue, TensorValue, type Scalar, type TensorContent, type Value } from '../symbolic/values.ts';

/** An attribute of a module that calls change. It is an input and an output of the compiled model. */
export interface StateVariable {
  /** Path below the root module: `_state`, `decoder.cache`. */
  readonly path: string;
  readonly type: LeafType;
  /** The state before the first call, from the archive. */
  readonly initial: TensorContent | Scalar;
}

/** The output that holds the next state of the input `path`. */
export function stateOutputName(path: string): string {
  return `${path}.next`;
}

/** Replaces the attributes by graph inputs with the same names. */
export function bindState(state: readonly StateVariable[], root: ObjectValue, emitter: Emitter): void {
  for (const { path, type } of state) {
    const { owner, name } = ownerOf(root, path);
    const input: Value =
      type.kind === 'tensor'
        ? tensorInput(
            path,
            { dtype: type.dtype, shape: type.shape.map((dim) => (typeof dim === 'number' ? dim : null)) },
            emitter,
          )
        : numberInput(path, type.kind, emitter);
    owner.attributes.set(name, input);
  }
}

/** The state before an execution. */
export interface StateBefore {
  /** A serial that is larger than that of every object from before. */
  readonly serial: number;
  readonly initial: InitialState;
  /** Attributes that are inputs already. */
  readonly known: readonly StateVariable[];
}

/**
 * The attributes that the execution changed, and the attributes that were inputs already. Sizes that are the same before and after
 * stay fixed; others are free.
 */
export function findState(
  root: ObjectValue,
  emitter: Emitter,
  { serial, initial, known }: StateBefore,
): StateVariable[] {
  const found = new Map<string, StateVariable>(known.map((variable) => [variable.path, variable]));
  for (const path of changedPaths(root, emitter, serial)) {
    const { owner, name } = ownerOf(root, path);
    const type = leafType(owner.attributes.get(name) ?? null);
    const first = found.get(path)?.initial ?? initial.get(path);
    if (type === undefined || first === undefined) {
      throw modelError(
        'execute',
        `the module changes self.${path}, which is not a tensor or number: such state is not supported`,
      );
    }
    const given = found.get(path)?.type.shape ?? (typeof first === 'object' && 'shape' in first ? first.shape : []);
    const shape = type.shape.map((dim, axis) =>
      typeof dim === 'number' && given.length === type.shape.length && given[axis] === dim ? dim : null,
    );
    found.set(path, { path, type: { ...type, shape }, initial: first });
  }
  return [...found.values()];
}

/** The outputs that hold the state after the call. */
export function outputState(state: readonly StateVariable[], root: ObjectValue, emitter: Emitter): FlatOutput[] {
  return state.map(({ path, type }) => {
    const { owner, name } = ownerOf(root, path);
    return { name: stateOutputName(path), tensor: leafTensor(emitter, owner.attributes.get(name) ?? null, type) };
  });
}

/** Tensors and numbers of the modules before execution, by path. */
export type InitialState = ReadonlyMap<string, TensorContent | Scalar>;

/** Reads the present state from the modules' attributes. */
export function snapshotState(root: ObjectValue): InitialState {
  const initial = new Map<string, TensorContent | Scalar>();
  for (const { object, path } of modulesBelow(root)) {
    for (const [name, value] of object.attributes) {
      if (value instanceof TensorValue) initial.set(join(path, name), value.content);
      else if (leafType(value) !== undefined) initial.set(join(path, name), value as Scalar);
    }
  }
  return initial;
}

/** Paths of attributes that were set, or whose tensor was changed in place. */
function changedPaths(root: ObjectValue, emitter: Emitter, before: number): string[] {
  const cells = emitter.heap.changesBefore(before);
  const targets = new Set<object>(cells.filter(({ attribute }) => attribute === undefined).map(({ target }) => target));
  const set = new Map<object, Set<string>>();
  for (const { target, attribute } of cells) {
    if (attribute !== undefined) set.set(target, (set.get(target) ?? new Set()).add(attribute));
  }
  const paths: string[] = [];
  for (const { object, path } of modulesBelow(root)) {
    for (const [name, value] of object.attributes) {
      if (value instanceof ObjectValue) continue;
      if (set.get(object)?.has(name) === true || (value instanceof TensorValue && targets.has(value))) {
        paths.push(join(path, name));
      }
    }
  }
  return paths.sort();
}

const join = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);

/** The module and all modules below it, each once. */
function modulesBelow(root: ObjectValue): { readonly object: ObjectValue; readonly path: string }[] {
  const found: { object: ObjectValue; path: string }[] = [];
  const seen = new Set<object>();
  const open = [{ object: root, path: '' }];
  for (let entry = open.pop(); entry !== undefined; entry = open.pop()) {
    if (seen.has(entry.object)) continue;
    seen.add(entry.object);
    found.push(entry);
    for (const [name, value] of entry.object.attributes) {
      if (value instanceof ObjectValue) open.push({ object: value, path: join(entry.path, name) });
    }
  }
  return found;
}

function ownerOf(root: ObjectValue, path: string): { owner: ObjectValue; name: string } {
  const names = path.split('.');
  const name = names.pop() ?? '';
  let owner = root;
  for (const part of names) {
    const next = owner.attributes.get(part);
    if (!(next instanceof ObjectValue)) throw modelError('execute', `internal: no module at ${path}`);
    owner = next;
  }
  return { owner, name };
}
