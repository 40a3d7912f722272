import { modelError } from '../torchscript-error.ts';
import { numberInput, tensorInput } from './plan-inputs.ts';
import type { FlatOutput } from './flatten-outputs.ts';
import type { Emitter } from '../symbolic/emitter.ts';
import { leafTensor, leafType, type LeafType } from '../symbolic/merge.ts';
import { type ObjectValue, TensorValue, type Scalar, type TensorContent, type Value } from '../symbolic/values.ts';
import { placesBelow, type StatePlace } from './state-places.ts';

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
  const places = placesBelow(root);
  for (const { path, type } of state) {
    const input: Value =
      type.kind === 'tensor'
        ? tensorInput(
            path,
            { dtype: type.dtype, shape: type.shape.map((dim) => (typeof dim === 'number' ? dim : null)) },
            emitter,
          )
        : numberInput(path, type.kind as 'int' | 'float' | 'bool', emitter);
    places.get(path)?.set(input);
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
  for (const { path, value } of changedPlaces(root, emitter, serial)) {
    const type = leafType(value);
    if (!found.has(path) && isUnchanged(initial.get(path), value)) continue;
    const first = found.get(path)?.initial ?? initial.get(path);
    if (type === undefined || type.kind === 'str' || first === undefined) {
      throw modelError(
        'execute',
        `the module changes self.${path}, which is not a tensor or number, or a list or dict of these that keeps its length: ` +
          'such state is not supported',
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

/** Whether an attribute was set to the value that it had. */
function isUnchanged(before: TensorContent | Scalar | undefined, value: Value): boolean {
  return before !== undefined && (value instanceof TensorValue ? value.content === before : value === before);
}

/** The outputs that hold the state after the call. */
export function outputState(state: readonly StateVariable[], root: ObjectValue, emitter: Emitter): FlatOutput[] {
  const places = placesBelow(root);
  return state.map(({ path, type }) => {
    return { name: stateOutputName(path), tensor: leafTensor(emitter, places.get(path)?.value ?? null, type) };
  });
}

/** Tensors and numbers of the modules before execution, by path. */
export type InitialState = ReadonlyMap<string, TensorContent | Scalar>;

/** Reads the present state from the modules' attributes. */
export function snapshotState(root: ObjectValue): InitialState {
  const initial = new Map<string, TensorContent | Scalar>();
  for (const [path, { value }] of placesBelow(root)) {
    if (value instanceof TensorValue) initial.set(path, value.content);
    else if (leafType(value) !== undefined) initial.set(path, value as Scalar);
  }
  return initial;
}

/** The places of attributes that were set, or whose tensor, list or dict was changed in place. */
function changedPlaces(root: ObjectValue, emitter: Emitter, before: number): StatePlace[] {
  const { heap } = emitter;
  const cells = heap.changesBefore(before);
  const targets = new Set<object>(cells.filter(({ attribute }) => attribute === undefined).map(({ target }) => target));
  const set = new Map<object, Set<string>>();
  for (const { target, attribute } of cells) {
    if (attribute !== undefined) set.set(target, (set.get(target) ?? new Set()).add(attribute));
  }
  const places = [...placesBelow(root).values()].filter(({ owner, attribute, holders, value }) => {
    if (set.get(owner)?.has(attribute) === true) {
      const isPlain = holders.length === 0 && leafType(value) !== undefined;
      return isPlain || heap.isReadFirst(owner, attribute);
    }
    return [...holders, value].some((holder) => holder !== null && typeof holder === 'object' && targets.has(holder));
  });
  return places.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}
