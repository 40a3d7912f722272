import type { ScalarType } from '../scalar-type.ts';

/** The meaning of a global of a pickle. Nothing is looked up or called: `rebuild.ts` implements each meaning. */
export type GlobalMeaning =
  | { readonly kind: 'class'; readonly className: string }
  | { readonly kind: 'storage-type'; readonly dtype: ScalarType }
  /** How the elements of a quantized tensor map to numbers: with one scale, or with one scale for each index of an axis. */
  | { readonly kind: 'quantizer'; readonly perChannel: boolean }
  /** A Python type that only labels the next argument. */
  | { readonly kind: 'label' }
  | { readonly kind: 'function'; readonly function: PickleFunction };

/** The functions that a TorchScript pickle may name. */
export type PickleFunction =
  | 'rebuild-tensor'
  | 'rebuild-quantized'
  | 'rebuild-parameter'
  | 'rebuild-from-type'
  | 'ordered-dict'
  | 'build-intlist'
  | 'build-doublelist'
  | 'build-boollist'
  | 'build-tensorlist'
  | 'build-tensor-from-id'
  | 'restore-type-tag'
  | 'device'
  | 'complex';

const STORAGE_TYPES: Readonly<Record<string, ScalarType>> = {
  ByteStorage: 'uint8',
  CharStorage: 'int8',
  ShortStorage: 'int16',
  IntStorage: 'int32',
  LongStorage: 'int64',
  HalfStorage: 'float16',
  FloatStorage: 'float32',
  DoubleStorage: 'float64',
  ComplexHalfStorage: 'complex32',
  ComplexFloatStorage: 'complex64',
  ComplexDoubleStorage: 'complex128',
  BoolStorage: 'bool',
  QInt8Storage: 'qint8',
  QUInt8Storage: 'quint8',
  QInt32Storage: 'qint32',
  BFloat16Storage: 'bfloat16',
};

const FUNCTIONS: Readonly<Record<string, PickleFunction>> = {
  'torch._utils._rebuild_tensor_v2': 'rebuild-tensor',
  'torch._utils._rebuild_qtensor': 'rebuild-quantized',
  'torch._utils._rebuild_parameter': 'rebuild-parameter',
  'torch._tensor._rebuild_from_type_v2': 'rebuild-from-type',
  'collections.OrderedDict': 'ordered-dict',
  'torch.jit._pickle.build_intlist': 'build-intlist',
  'torch.jit._pickle.build_doublelist': 'build-doublelist',
  'torch.jit._pickle.build_boollist': 'build-boollist',
  'torch.jit._pickle.build_tensorlist': 'build-tensorlist',
  'torch.jit._pickle.build_tensor_from_id': 'build-tensor-from-id',
  'torch.jit._pickle.restore_type_tag': 'restore-type-tag',
  'torch.device': 'device',
  'builtins.complex': 'complex',
  '__builtin__.complex': 'complex',
};

/** Classes of PyTorch's own C++ code that hold nothing but weights: the packed parameters of quantized layers. */
const PACKED_CLASS =
  /^__torch__\.torch\.classes\.(quantized\.(Linear|Conv1d|Conv2d|Conv3d|Embedding)PackedParamsBase|rnn\.CellParamsBase)$/;

/** Whether a class is one of PyTorch's packed parameters. Such objects have no code: the state is all there is. */
export function isPackedClass(className: string): boolean {
  return PACKED_CLASS.test(className);
}

const QUANTIZERS: Readonly<Record<string, GlobalMeaning>> = {
  'torch.per_tensor_affine': { kind: 'quantizer', perChannel: false },
  'torch.per_channel_affine': { kind: 'quantizer', perChannel: true },
  'torch.per_channel_affine_float_qparams': { kind: 'quantizer', perChannel: true },
};

const LABELS: readonly string[] = ['torch.Tensor', 'torch.nn.parameter.Parameter', 'torch.nn.Parameter'];

/** The meaning of `module.name`, or undefined if no TorchScript model needs it. */
export function meaningOf(module: string, name: string): GlobalMeaning | undefined {
  const global = `${module}.${name}`;
  if (module === '__torch__' || module.startsWith('__torch__.')) {
    const foreign = global.startsWith('__torch__.torch.classes.') && !isPackedClass(global);
    return foreign ? undefined : { kind: 'class', className: global };
  }
  if (LABELS.includes(global)) return { kind: 'label' };
  if (Object.hasOwn(QUANTIZERS, global)) return QUANTIZERS[global];
  if (module === 'torch' && Object.hasOwn(STORAGE_TYPES, name)) {
    return { kind: 'storage-type', dtype: STORAGE_TYPES[name] as ScalarType };
  }
  if (Object.hasOwn(FUNCTIONS, global)) return { kind: 'function', function: FUNCTIONS[global] as PickleFunction };
  return undefined;
}

/** Names that PyTorch writes but the compiler does not support: a pattern of the full name, and the message. */
const KNOWN_BUT_REFUSED: readonly (readonly [RegExp, string])[] = [
  [
    /^torch\.per_(tensor|channel)_/,
    'a quantized tensor of a scheme that is not supported: quantize with an affine scheme, or export the float model',
  ],
  [/^torch\._utils\._rebuild_sparse/, 'a sparse tensor; sparse tensors are not supported: call to_dense() on it first'],
  [/^torch\._utils\._rebuild_nested/, 'a nested tensor; nested tensors are not supported: pad it to a plain tensor'],
  [
    /^torch\._utils\._rebuild_(meta|wrapper|device|xla|mlc|functional)/,
    'a tensor without plain storage; load the model on the CPU and save it again',
  ],
  [
    /^torch\.ScriptObject$|^__torch__\.torch\.classes\.|^torch\.classes\./,
    'an object of a custom C++ class, which has no meaning outside of PyTorch: export the model without it (mobile-optimised models hold such objects)',
  ],
  [
    /^torch\.\w+Storage$/,
    'a storage of an element type that is not supported: convert the model to float32 and save it again',
  ],
  [
    /^torch\._tensor\._rebuild|^torch\._utils\._rebuild/,
    'a kind of tensor that is not supported: save the model again with plain tensors',
  ],
];

/** The message for a global that is not allowed. */
export function refusalOf(global: string): string {
  const known = KNOWN_BUT_REFUSED.find(([pattern]) => pattern.test(global));
  if (known !== undefined) return `${global} makes ${known[1]}`;
  return `${global} is not allowed in a model: refused; nothing was executed`;
}
