import { encodeElements } from '../symbolic/constant-data.ts';
import type { Execution } from './execution.ts';
import type { OutputList } from './output-lists.ts';
import { stateOutputName, type StateVariable } from './module-state.ts';
import { onnxTypeOf } from '../symbolic/onnx-types.ts';
import { sizeAtom, substitute, SymInt, type Dim } from '../symbolic/sym-int.ts';
import type { Scalar } from '../symbolic/values.ts';
import type { PickleTensor } from '../pickle/pickle-value.ts';
import type { ScalarType } from '../scalar-type.ts';
import type { ArgumentPlan } from './plan-inputs.ts';

/** An input or output of the compiled model. */
export interface SignatureTensor {
  readonly name: string;
  /** PyTorch's dtype, or `str` for strings. A bfloat16 tensor is passed as float32. */
  readonly dtype: ScalarType | 'str';
  /** A free axis has the name of the input axis that gives its size (`x_0`), or is null if its size comes from no input axis. */
  readonly shape: readonly (number | string | null)[];
}

/** State that passes from call to call. The first call takes `initial` as `input`, each later call the previous `output`. */
export interface SignatureState {
  readonly input: string;
  readonly output: string;
  readonly dtype: ScalarType;
  readonly shape: readonly number[];
  /** The place of the initial state in the archive, or its bytes if it is only a few numbers. */
  readonly initial: PickleTensor | Uint8Array;
}

/** The inputs and outputs of the compiled model. */
export interface CompiledSignature {
  /** In the order of the method's arguments, flattened. State comes last. */
  readonly inputs: readonly SignatureTensor[];
  /** Flattened in order. State comes last. */
  readonly outputs: readonly SignatureTensor[];
  /** The outputs that together hold a list whose length is known only at run time. */
  readonly lists: readonly OutputList[];
  readonly state: readonly SignatureState[];
  /**
   * Whether axis 0 may be a batch axis: every tensor input has a free axis 0, and the axis 0 of every output has the same size.
   * Registration has to prove that rows do not influence each other.
   */
  readonly batch: { readonly axis: 'candidate' | 'none'; readonly evidence: string };
}

/** Declares the graph's outputs and describes inputs and outputs. */
export function resolveSignature(execution: Execution, plan: readonly ArgumentPlan[]): CompiledSignature {
  const { emitter, state } = execution;
  const inputs = [...plan.flatMap(flattenPlan), ...state.map(stateInput)];
  const outputs = execution.outputs.map(
    ({ name, tensor, isText }): SignatureTensor & { readonly dims: readonly Dim[] } => {
      const dims = tensor.content.shape.map((dim) => emitter.resolve(dim));
      const shape = dims.map(nameOfDim);
      const declared = emitter.root.uniqueName(name);
      if (isText === true) {
        const { strings } = emitter;
        const table = emitter.root.initializer({
          name: 'strings',
          datatype: 'STRING',
          dims: [strings.length],
          data: strings,
        });
        emitter.root.nodes('Gather', [table, emitter.name(tensor)], { names: [declared] });
      } else emitter.root.nodes('Identity', [emitter.name(tensor)], { names: [declared] });
      emitter.root.output({ name: declared, datatype: isText === true ? 'STRING' : onnxTypeOf(tensor.dtype), shape });
      return { name: declared, dtype: isText === true ? 'str' : tensor.dtype, shape, dims };
    },
  );
  return {
    inputs,
    outputs: outputs.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
    lists: execution.lists,
    state: state.map(describeState),
    batch: batchAxis(inputs, outputs, examplesOf(plan)),
  };
}

function flattenPlan(plan: ArgumentPlan): SignatureTensor[] {
  switch (plan.kind) {
    case 'tensor':
      return [
        { name: plan.name, dtype: plan.dtype, shape: plan.shape.map((size, axis) => size ?? `${plan.name}_${axis}`) },
      ];
    case 'number':
      return [
        {
          name: plan.name,
          dtype: plan.type === 'int' ? 'int64' : plan.type === 'float' ? 'float64' : 'bool',
          shape: [],
        },
      ];
    case 'fixed':
      return [];
    case 'list':
    case 'tuple':
      return plan.items.flatMap(flattenPlan);
    case 'dict':
      return plan.entries.flatMap(([, item]) => flattenPlan(item));
  }
}

function stateInput({ path, type }: StateVariable): SignatureTensor {
  return {
    name: path,
    dtype: type.dtype,
    shape: type.shape.map((dim, axis) => (typeof dim === 'number' ? dim : `${path}_${axis}`)),
  };
}

function describeState({ path, type, initial }: StateVariable): SignatureState {
  const common = { input: path, output: stateOutputName(path), dtype: type.dtype };
  if (typeof initial !== 'object' || !('data' in initial)) {
    return { ...common, shape: [], initial: encodeElements([initial as number | bigint | boolean], type.dtype) };
  }
  const sizes = initial.shape.map((dim) => (typeof dim === 'number' ? dim : 0));
  // An empty tensor means that there is no state yet. It gets the rank of the state that follows.
  const shape =
    sizes.length === type.shape.length ? sizes : type.shape.map((dim) => (typeof dim === 'number' ? dim : 0));
  const { data } = initial;
  if (data.kind === 'weight') return { ...common, shape, initial: data.tensor };
  const elements: readonly Scalar[] = data.kind === 'elements' ? data.elements : [];
  return { ...common, shape, initial: encodeElements(elements as (number | bigint | boolean)[], type.dtype) };
}

/** A size in a signature: a number, the name of the input axis that it equals (`x_0`), or null. */
function nameOfDim(dim: Dim): number | string | null {
  if (!(dim instanceof SymInt)) return dim;
  const [term] = dim.terms;
  const [atom] = term?.atoms ?? [];
  if (dim.terms.length !== 1 || term?.factor !== 1 || term.atoms.length !== 1 || atom === undefined) return null;
  const { definition } = atom;
  return definition.kind === 'size' && atom.isFree === true ? `${definition.value}_${definition.axis}` : null;
}

function batchAxis(
  inputs: readonly SignatureTensor[],
  outputs: readonly (SignatureTensor & { readonly dims: readonly Dim[] })[],
  examples: ReadonlyMap<string, number>,
): CompiledSignature['batch'] {
  const tensors = inputs.filter(({ shape }) => shape.length > 0);
  const none = (evidence: string): CompiledSignature['batch'] => ({ axis: 'none', evidence });
  if (tensors.length === 0) return none('no input has an axis');
  const fixed = tensors.find(({ shape }) => typeof shape[0] === 'number');
  if (fixed !== undefined) return none(`axis 0 of ${fixed.name} is always ${String(fixed.shape[0])}`);
  const names = new Set(tensors.map(({ shape }) => String(shape[0])));
  const follows = ({ dims }: { readonly dims: readonly Dim[] }): boolean =>
    dims[0] !== undefined && comesFrom(dims[0], names);
  // `view(-1, 8, 8)` keeps the number of rows only if rows have the length that they had when the model was traced.
  const traced = ({ dims }: { readonly dims: readonly Dim[] }): boolean =>
    follows({ dims: dims.slice(0, 1).map((dim) => substitute(dim, ({ key }) => examples.get(key))) });
  const other = outputs.find((output) => !follows(output) && !traced(output));
  if (other !== undefined) {
    const size = other.dims[0] === undefined ? 'there is none' : `its size is ${String(other.shape[0] ?? 'another')}`;
    return none(`axis 0 of output ${other.name} is not an input’s axis 0: ${size}`);
  }
  return {
    axis: 'candidate',
    evidence: `axis 0 of every output has the size of axis 0 of ${tensors.map(({ name }) => name).join(', ')}`,
  };
}

/** Whether a size is one of these free axes, or the size to which several of them broadcast. */
function comesFrom(dim: Dim, names: ReadonlySet<string>): boolean {
  const name = nameOfDim(dim);
  if (typeof name === 'string') return names.has(name);
  if (!(dim instanceof SymInt)) return false;
  const [term] = dim.terms;
  const definition = term?.atoms[0]?.definition;
  if (dim.terms.length !== 1 || term?.atoms.length !== 1 || definition?.kind !== 'broadcast') return false;
  return comesFrom(definition.a, names) && comesFrom(definition.b, names);
}

/** Sizes of axes other than 0 in the inputs that a trace recorded, by the size's key. */
function examplesOf(plan: readonly ArgumentPlan[]): Map<string, number> {
  const sizes = new Map<string, number>();
  const walk = (argument: ArgumentPlan): void => {
    if (argument.kind === 'tensor') {
      argument.example?.forEach((size, axis) => {
        if (axis > 0) sizes.set(sizeAtom(argument.name, axis, 0).key, size);
      });
    } else if (argument.kind === 'list' || argument.kind === 'tuple') argument.items.forEach(walk);
    else if (argument.kind === 'dict') argument.entries.forEach(([, item]) => walk(item));
  };
  plan.forEach(walk);
  return sizes;
}
