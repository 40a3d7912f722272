import type { PickleFunction } from './allowed-globals.ts';
import { isKind, type NamedGlobal, type PickleItem, type StorageArgument } from './pickle-item.ts';
import type { PickleReader } from './pickle-reader.ts';
import type { PickleQuantizer, PickleTensor, PickleValue } from './pickle-value.ts';
import type { UnpickleOptions } from './unpickle.ts';

/** PyTorch allows fewer dimensions. */
const MAX_DIMS = 64;

const LIST_TYPES: Readonly<
  Partial<Record<PickleFunction, readonly [tag: string, holds: (item: PickleValue) => boolean]>>
> = {
  'build-intlist': ['List[int]', (item) => typeof item === 'bigint'],
  'build-doublelist': ['List[float]', (item) => typeof item === 'number'],
  'build-boollist': ['List[bool]', (item) => typeof item === 'boolean'],
  'build-tensorlist': ['List[Tensor]', (item) => isKind(item, 'tensor')],
};

/** Makes the values of a pickle's calls (REDUCE) and persistent ids. Errors name the reader's current opcode. */
export class Rebuilder {
  readonly #reader: PickleReader;
  readonly #options: UnpickleOptions;

  constructor(reader: PickleReader, options: UnpickleOptions) {
    this.#reader = reader;
    this.#options = options;
  }

  /** Reads `('storage', torch.FloatStorage, '0', 'cpu', 200)`. Older files add a view's metadata, which is None. */
  storage(id: PickleItem): StorageArgument {
    const items = isKind(id, 'arguments') ? id.items : [];
    const [tag, type, key, device, elements, view] = items;
    const dtype = isKind(type, 'global') && type.meaning.kind === 'storage-type' ? type.meaning.dtype : undefined;
    const sound =
      tag === 'storage' &&
      typeof key === 'string' &&
      typeof device === 'string' &&
      (view === undefined || view === null);
    if (!sound || dtype === undefined || items.length > 6)
      throw this.#reader.damaged('a persistent id that is not a storage');
    const { storages } = this.#options;
    if (storages === undefined) throw this.#reader.damaged('a tensor in a record that must not have tensors');
    const storage = storages.find(key, dtype, this.#size(elements, 'storage'));
    if (typeof storage === 'string') throw this.#reader.damaged(storage);
    return { kind: 'storage', storage };
  }

  /** Makes the value of `callee(...args)`. */
  call(callee: NamedGlobal, args: readonly PickleItem[]): PickleValue {
    const { meaning } = callee;
    if (meaning.kind === 'class') return this.#enumMember(meaning.className, args);
    if (meaning.kind !== 'function') throw this.#wrong(callee.name);
    switch (meaning.function) {
      case 'rebuild-tensor':
        return this.#tensor(args);
      case 'rebuild-quantized':
        return this.#quantized(args);
      case 'rebuild-parameter':
        return this.#parameter(args);
      case 'rebuild-from-type':
        return this.#fromType(args);
      case 'ordered-dict':
        if (args.length > 0) throw this.#wrong(callee.name);
        return { kind: 'dict', entries: [] };
      case 'restore-type-tag':
        return this.#typeTag(args);
      case 'device':
        return this.#device(args);
      case 'complex':
        return this.#complex(args);
      case 'build-tensor-from-id':
        return this.#tensorFromId(args);
      default:
        return this.#list(meaning.function, args);
    }
  }

  #wrong(name: string): Error {
    return this.#reader.damaged(`${name} is called with arguments that TorchScript does not write`);
  }

  #enumMember(className: string, args: readonly PickleItem[]): PickleValue {
    const [value] = args;
    const plain = typeof value === 'bigint' || typeof value === 'number' || typeof value === 'string';
    if (args.length !== 1 || !plain) throw this.#wrong(className);
    return { kind: 'object', className, attributes: new Map([['value', value]]) };
  }

  /** Reads `(storage, offset, sizes, strides, requires_grad, backward_hooks[, metadata])`. */
  #tensor(args: readonly PickleItem[]): PickleTensor {
    const [source, offset, sizes, strides, requiresGrad, , metadata] = args;
    if (!isKind(source, 'storage') || args.length < 6 || args.length > 7 || typeof requiresGrad !== 'boolean') {
      throw this.#wrong('torch._utils._rebuild_tensor_v2');
    }
    if (metadata !== undefined && !(isKind(metadata, 'dict') && metadata.entries.length === 0)) {
      throw this.#reader.error(
        'a conjugated or negated view of a tensor: resolve it (resolve_conj, resolve_neg) and save again',
      );
    }
    const { storage } = source;
    const tensor: PickleTensor = {
      storage,
      kind: 'tensor',
      storageOffset: this.#size(offset, 'offset'),
      sizes: this.#sizes(sizes),
      strides: this.#sizes(strides),
      requiresGrad,
    };
    this.#checkExtent(tensor);
    return tensor;
  }

  /** Reads `(storage, offset, sizes, strides, quantizer, requires_grad, backward_hooks)`. */
  #quantized(args: readonly PickleItem[]): PickleTensor {
    const [source, offset, sizes, strides, scheme, ...rest] = args;
    const tensor = this.#tensor([source ?? null, offset ?? null, sizes ?? null, strides ?? null, ...rest]);
    return { ...tensor, quantizer: this.#quantizer(scheme, tensor) };
  }

  /** Reads `(torch.per_tensor_affine, scale, zero_point)` or `(torch.per_channel_affine, scales, zero_points, axis)`. */
  #quantizer(item: PickleItem | undefined, { sizes }: PickleTensor): PickleQuantizer {
    const [scheme, scale, zeroPoint, axis] = isKind(item, 'arguments') ? item.items : [];
    const perChannel =
      isKind(scheme, 'global') && scheme.meaning.kind === 'quantizer' ? scheme.meaning.perChannel : undefined;
    if (perChannel === false && typeof scale === 'number' && typeof zeroPoint === 'bigint') {
      return { kind: 'tensor', scale, zeroPoint: Number(zeroPoint) };
    }
    if (perChannel !== true || !isKind(scale, 'tensor') || !isKind(zeroPoint, 'tensor'))
      throw this.#wrong('torch._utils._rebuild_qtensor');
    const along = this.#size(axis, 'axis');
    const matches = [scale, zeroPoint].every((part) => part.sizes.length === 1 && part.sizes[0] === sizes[along]);
    if (!matches) throw this.#reader.damaged('a quantized tensor without one scale for each channel');
    return { kind: 'channel', scale, zeroPoint, axis: along };
  }

  /** Checks that every element is within the storage, and that all arithmetic on sizes is exact. */
  #checkExtent({ storage, storageOffset, sizes, strides }: PickleTensor): void {
    if (sizes.length !== strides.length)
      throw this.#reader.damaged('a tensor that does not have one stride per dimension');
    const count = sizes.reduce((product, size) => product * size, 1);
    const last = sizes.reduce((sum, size, i) => sum + (size - 1) * (strides[i] as number), storageOffset);
    if (!Number.isSafeInteger(sizes.reduce((product, size) => product * Math.max(size, 1), 1))) {
      throw this.#reader.damaged(`a tensor of ${sizes.join(' x ')} elements`);
    }
    if (count === 0) return;
    if (!Number.isSafeInteger(last) || last >= storage.elements) {
      const message = `a tensor of shape [${sizes.join(', ')}] and strides [${strides.join(', ')}] at element ${storageOffset} leaves its storage ${storage.record} of ${storage.elements} elements`;
      throw this.#reader.damaged(message);
    }
  }

  #parameter(args: readonly PickleItem[]): PickleTensor {
    const [data] = args;
    if (!isKind(data, 'tensor') || args.length !== 3) throw this.#wrong('torch._utils._rebuild_parameter');
    return data;
  }

  /** Reads `(function, type, arguments, state)` of a plain tensor or parameter. The state comes from Python and is ignored. */
  #fromType(args: readonly PickleItem[]): PickleValue {
    const [callee, type, inner] = args;
    const plain = isKind(type, 'global') && type.meaning.kind === 'label';
    const rebuilds =
      isKind(callee, 'global') &&
      callee.meaning.kind === 'function' &&
      (callee.meaning.function === 'rebuild-tensor' || callee.meaning.function === 'rebuild-parameter');
    const items = isKind(inner, 'tuple') || isKind(inner, 'arguments') ? inner.items : [];
    if (!plain || !rebuilds || args.length !== 4) throw this.#wrong('torch._tensor._rebuild_from_type_v2');
    return this.call(callee, items);
  }

  #typeTag(args: readonly PickleItem[]): PickleValue {
    const [value, tag] = args;
    const isContainer = isKind(value, 'list') || isKind(value, 'dict');
    if (!isContainer || args.length !== 2 || typeof tag !== 'string') {
      throw this.#wrong('torch.jit._pickle.restore_type_tag');
    }
    value.typeTag = tag;
    return value;
  }

  #list(called: PickleFunction, args: readonly PickleItem[]): PickleValue {
    const [tag, holds] = LIST_TYPES[called] ?? ['', () => false];
    const [list] = args;
    if (args.length !== 1 || !isKind(list, 'list')) throw this.#wrong(`torch.jit._pickle.${called.replace('-', '_')}`);
    // Each list gets its type only once. Otherwise a file could make the reader check it very often.
    if (list.typeTag !== undefined) throw this.#reader.damaged(`a ${tag} that was a ${list.typeTag} before`);
    if (!list.items.every(holds)) throw this.#reader.damaged(`a ${tag} with items of another type`);
    list.typeTag = tag;
    return list;
  }

  #device(args: readonly PickleItem[]): PickleValue {
    const [type, index] = args;
    if (typeof type !== 'string' || args.length > 2) throw this.#wrong('torch.device');
    if (index === undefined) return { kind: 'device', device: type };
    if (typeof index !== 'bigint') throw this.#wrong('torch.device');
    return { kind: 'device', device: `${type}:${index}` };
  }

  #complex(args: readonly PickleItem[]): PickleValue {
    const [re, im] = args;
    if (typeof re !== 'number' || typeof im !== 'number' || args.length !== 2) throw this.#wrong('complex');
    return { kind: 'complex', re, im };
  }

  #tensorFromId(args: readonly PickleItem[]): PickleValue {
    const index = this.#size(args[0], 'tensor number');
    const tensor = this.#options.tensorTable?.[index];
    if (tensor !== undefined && args.length === 1) return tensor;
    throw this.#reader.error(
      `tensor ${index} of a table that the archive does not have: load the model in PyTorch 1.4 or later and save it again with torch.jit.save`,
    );
  }

  #sizes(item: PickleItem | undefined): number[] {
    const items = isKind(item, 'tuple') ? item.items : undefined;
    if (items === undefined || items.length > MAX_DIMS)
      throw this.#reader.damaged('sizes that are not a tuple of integers');
    return items.map((size) => this.#size(size, 'size'));
  }

  #size(item: PickleItem | undefined, what: string): number {
    if (typeof item === 'bigint' && item >= 0n && item <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(item);
    throw this.#reader.damaged(`a ${what} that is not an integer from 0 to 2^53`);
  }
}
