import { contiguousRange } from './archive/read-tensor.ts';
import type { TorchScriptArchive } from './archive/torchscript-archive.ts';
import type { ParamDef, TypeExpr } from './frontend/ast.ts';
import { Program } from './frontend/program.ts';
import type { PickleObject, PickleStorage, PickleTensor } from './pickle/pickle-value.ts';
import { SCALAR_TYPE_BYTES, type ScalarType } from './scalar-type.ts';
import { tensorsOf } from './weights/small-tensors.ts';

/** The contents of an archive, as far as they are known without compilation. */
export interface ArchiveDescription {
  /** Version of the archive format. */
  readonly version: number;
  /** Whether `torch.jit.trace` or `torch.jit.script` made the model; undefined if the archive does not show it. */
  readonly origin: 'traced' | 'scripted' | undefined;
  /** Whether PyTorch 2 or later wrote it. The exact release is not recorded. */
  readonly pytorch2: boolean;
  /** Qualified name of the root module's class. */
  readonly className: string;
  readonly methods: readonly MethodDescription[];
  /** Number of modules, with the root. A module that is used at several places counts once. */
  readonly modules: number;
  /** Number of tensors that the modules name as parameters. A tied tensor counts at each module. */
  readonly parameters: number;
  /** The same for buffers. */
  readonly buffers: number;
  readonly weights: WeightDescription;
}

/** A method of the root module. */
export interface MethodDescription {
  readonly name: string;
  /** Arguments without `self`, as the code writes them: `x: Tensor`, `n: int=3`. */
  readonly params: readonly string[];
  readonly returns: string;
}

/** The archive's tensors. */
export interface WeightDescription {
  /** Bytes of all storages, each once. */
  readonly bytes: number;
  readonly byDtype: readonly {
    readonly dtype: ScalarType;
    readonly tensors: number;
    readonly bytes: number;
  }[];
  /** Number of tensors that share the storage of an earlier tensor: tied weights and views. */
  readonly shared: number;
  /** Number of tensors that are not stored row by row in the file, so that the compiler has to copy them. */
  readonly strided: number;
}

/** Describes an archive. @throws SconceError `model_invalid` if its code cannot be parsed. */
export function describeArchive(archive: TorchScriptArchive): ArchiveDescription {
  const program = new Program(archive.sources);
  const { root, version } = archive;
  const modules = modulesOf(root, program);
  const count = (names: 'parameters' | 'buffers'): number =>
    modules.reduce((sum, { object, classDef }) => {
      const declared = classDef?.[names] ?? [];
      return sum + declared.filter((name) => isTensor(object.attributes.get(name))).length;
    }, 0);
  // PyTorch 2 records the byte order, and the example inputs of every trace.
  const pytorch2 = archive.recordRange('byteorder') !== undefined;
  const hasConstants = modules.some(({ classDef }) => classDef?.attributes.some(({ type }) => type?.name === 'Final'));
  const scripted = hasConstants || pytorch2;
  return {
    version,
    origin: archive.tracedInputs.size > 0 ? 'traced' : scripted ? 'scripted' : undefined,
    pytorch2,
    className: root.className,
    methods: (program.findClass(root.className)?.methods ?? []).map(({ name, params, returns }) => ({
      name,
      params: params.slice(1).map(paramText),
      returns: typeText(returns),
    })),
    modules: modules.length,
    parameters: count('parameters'),
    buffers: count('buffers'),
    weights: describeWeights(archive),
  };
}

type Classes = ReturnType<Program['findClass']>;

function modulesOf(
  root: PickleObject,
  program: Program,
): { readonly object: PickleObject; readonly classDef: Classes }[] {
  const modules: { object: PickleObject; classDef: Classes }[] = [];
  const seen = new Set<PickleObject>([root]);
  // The set grows during the iteration.
  for (const object of seen) {
    const classDef = program.findClass(object.className);
    if (object !== root && classDef?.base !== 'Module') continue;
    modules.push({ object, classDef });
    for (const value of object.attributes.values()) {
      if (typeof value === 'object' && value?.kind === 'object') seen.add(value);
    }
  }
  return modules;
}

function describeWeights(archive: TorchScriptArchive): WeightDescription {
  const tensors = tensorsOf([archive.root, ...archive.constants]);
  const storages = new Set<PickleStorage>();
  const byDtype = new Map<ScalarType, { dtype: ScalarType; tensors: number; bytes: number }>();
  let shared = 0;
  for (const { storage } of tensors) {
    const { dtype } = storage;
    const entry = byDtype.get(dtype) ?? { dtype, tensors: 0, bytes: 0 };
    byDtype.set(dtype, entry);
    entry.tensors++;
    if (storages.has(storage)) shared++;
    else entry.bytes += storage.elements * SCALAR_TYPE_BYTES[dtype];
    storages.add(storage);
  }
  const sorted = [...byDtype.values()].sort((a, b) => b.bytes - a.bytes);
  return {
    bytes: sorted.reduce((sum, { bytes }) => sum + bytes, 0),
    byDtype: sorted,
    shared,
    strided: tensors.filter((tensor) => contiguousRange(archive, tensor) === undefined).length,
  };
}

function isTensor(value: unknown): value is PickleTensor {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'tensor';
}

function paramText({ name, type, default: value }: ParamDef): string {
  const literal = value?.kind === 'literal' ? literalText(value.value) : '…';
  return `${name}: ${typeText(type)}${value === undefined ? '' : ` = ${literal}`}`;
}

function literalText(value: unknown): string {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

/** A type in Python's notation. A missing type is Tensor. */
function typeText(type: TypeExpr | undefined): string {
  if (type === undefined) return 'Tensor';
  const name = type.name.slice(type.name.lastIndexOf('.') + 1);
  return type.args.length === 0 ? name : `${name}[${type.args.map(typeText).join(', ')}]`;
}
