import { describe, expect, it } from 'vitest';

import { P, ints, pickle, storage, tensor } from '../../fixtures/archive/build-pickle.ts';
import { join } from '../../fixtures/archive/build-zip.ts';
import type { PickleObject, PickleTensor, PickleValue } from './pickle-value.ts';
import { StorageTable } from './storage-table.ts';
import { unpickle, type UnpickleOptions } from './unpickle.ts';

/** Storage `0` has 48 bytes and `1` has 8. There are no others. */
const recordBytes = (record: string): number | undefined => ({ 'data/0': 48, 'data/1': 8 })[record];

function read(bytes: Uint8Array, options: Partial<UnpickleOptions> = {}): PickleValue {
  const storages = new StorageTable('data', recordBytes);
  return unpickle(bytes, { record: 'data.pkl', storages, maxOpcodes: 10_000, maxNesting: 20, ...options });
}

const call = (module: string, name: string, ...args: Uint8Array[]): Uint8Array =>
  join(P.global(module, name), P.mark, ...args, P.tuple, P.reduce);
const listOf = (...items: Uint8Array[]): Uint8Array => join(P.emptyList, P.mark, ...items, P.appends);
const list = (...items: PickleValue[]): PickleValue => ({ kind: 'list', items });
const tuple = (...items: PickleValue[]): PickleValue => ({ kind: 'tuple', items });
const newObject = join(P.global('__torch__.a.b', 'C'), P.emptyTuple, P.newObject);

describe('values', () => {
  it.each<[string, Uint8Array, PickleValue]>([
    ['None', P.none, null],
    ['True', P.yes, true],
    ['False', P.no, false],
    ['a byte', Uint8Array.of(0x4b, 255), 255n],
    ['two bytes', Uint8Array.of(0x4d, 0xff, 0xff), 65535n],
    ['four bytes, negative', P.int(-2), -2n],
    ['the largest int', P.long(255, 255, 255, 255, 255, 255, 255, 127), 2n ** 63n - 1n],
    ['the smallest int', P.long(0, 0, 0, 0, 0, 0, 0, 128), -(2n ** 63n)],
    ['a short long', P.long(0xff), -1n],
    ['an empty long', P.long(), 0n],
    ['a float', P.float(-0.5), -0.5],
    ['nan', P.float(NaN), NaN],
    ['text', P.text('löwe\n'), 'löwe\n'],
    ['an empty tuple', P.emptyTuple, tuple()],
    ['a tuple', ints(1, 2, 3, 4), tuple(1n, 2n, 3n, 4n)],
    ['a tuple of one', join(P.none, P.tuple1), tuple(null)],
    ['a tuple of two', join(P.none, P.yes, P.tuple2), tuple(null, true)],
    ['a tuple of three', join(P.none, P.yes, P.no, P.tuple3), tuple(null, true, false)],
    ['a list by APPENDS', listOf(P.int(1), P.none), list(1n, null)],
    ['a list by APPEND', join(P.emptyList, P.none, P.append), list(null)],
    ['a list by LIST', join(P.mark, P.none, P.list), list(null)],
    ['a dict by SETITEM', join(P.emptyDict, P.text('a'), P.int(1), P.setItem), { kind: 'dict', entries: [['a', 1n]] }],
    ['a dict by DICT', join(P.mark, P.text('a'), P.int(1), P.dict), { kind: 'dict', entries: [['a', 1n]] }],
    [
      'a dict, in order, the last of equal keys',
      join(P.emptyDict, P.mark, P.int(2), P.text('b'), P.int(1), P.text('a'), P.int(2), P.text('c'), P.setItems),
      {
        kind: 'dict',
        entries: [
          [2n, 'c'],
          [1n, 'a'],
        ],
      },
    ],
    ['an ordered dict', call('collections', 'OrderedDict'), { kind: 'dict', entries: [] }],
    ['a device', call('torch', 'device', P.text('cpu')), { kind: 'device', device: 'cpu' }],
    ['a device with index', call('torch', 'device', P.text('cuda'), P.int(1)), { kind: 'device', device: 'cuda:1' }],
    ['complex', call('builtins', 'complex', P.float(1), P.float(-2)), { kind: 'complex', re: 1, im: -2 }],
    [
      'ints',
      call('torch.jit._pickle', 'build_intlist', listOf(P.int(1))),
      { kind: 'list', items: [1n], typeTag: 'List[int]' },
    ],
    [
      'floats',
      call('torch.jit._pickle', 'build_doublelist', listOf()),
      { kind: 'list', items: [], typeTag: 'List[float]' },
    ],
    [
      'bools',
      call('torch.jit._pickle', 'build_boollist', listOf(P.yes)),
      { kind: 'list', items: [true], typeTag: 'List[bool]' },
    ],
    [
      'a typed dict',
      call('torch.jit._pickle', 'restore_type_tag', P.emptyDict, P.text('Dict[int, Tensor]')),
      { kind: 'dict', entries: [], typeTag: 'Dict[int, Tensor]' },
    ],
    [
      'an enum member',
      join(P.global('__torch__', 'Colour'), P.int(2), P.reduce),
      { kind: 'object', className: '__torch__.Colour', attributes: new Map([['value', 2n]]) },
    ],
    [
      'an object',
      join(newObject, P.emptyDict, P.mark, P.text('a'), P.none, P.setItems, P.build),
      { kind: 'object', className: '__torch__.a.b.C', attributes: new Map([['a', null]]) },
    ],
    [
      'an object with its own state',
      join(newObject, P.int(1), P.tuple1, P.build),
      { kind: 'object', className: '__torch__.a.b.C', attributes: new Map(), state: tuple(1n) },
    ],
    [
      'an object whose state is a dict',
      join(newObject, call('torch.jit._pickle', 'restore_type_tag', P.emptyDict, P.text('Dict[str, int]')), P.build),
      {
        kind: 'object',
        className: '__torch__.a.b.C',
        attributes: new Map(),
        state: { kind: 'dict', entries: [], typeTag: 'Dict[str, int]' },
      },
    ],
  ])('reads %s', (_, bytes, value) => {
    expect(read(pickle(bytes))).toEqual(value);
  });

  it('shares values that the file shares', () => {
    const value = read(pickle(newObject, P.put(1), P.get(1), P.tuple2)) as { items: PickleObject[] };
    expect(value.items[0]).toBe(value.items[1]);
  });

  it('reads a list that contains itself', () => {
    const value = read(pickle(P.emptyList, P.put(0), P.get(0), P.append)) as { items: PickleValue[] };
    expect(value.items[0]).toBe(value);
  });

  it('reads an object that contains itself', () => {
    const state = join(P.emptyDict, P.text('self'), P.get(0), P.setItem);
    const value = read(pickle(newObject, P.put(0), state, P.build)) as PickleObject;
    expect(value.attributes.get('self')).toBe(value);
  });
});

describe('tensors', () => {
  const whole = { sizes: [3, 4], strides: [4, 1] };

  it('are views of storages', () => {
    expect(read(pickle(tensor(12, { offset: 1, sizes: [2, 2], strides: [4, 1] })))).toEqual({
      kind: 'tensor',
      storage: { dtype: 'float32', record: 'data/0', elements: 12 },
      storageOffset: 1,
      sizes: [2, 2],
      strides: [4, 1],
      requiresGrad: false,
    });
  });

  it('share a storage that is named twice', () => {
    const value = read(pickle(tensor(12, whole), tensor(12, { sizes: [12], strides: [1] }), P.tuple2));
    const [a, b] = (value as { items: PickleTensor[] }).items;
    expect(a?.storage).toBe(b?.storage);
  });

  it('can be parameters, and can be rebuilt through their type', () => {
    const args = tensor(12, whole);
    const hooks = call('collections', 'OrderedDict');
    expect(read(pickle(call('torch._utils', '_rebuild_parameter', args, P.yes, hooks)))).toMatchObject({
      sizes: [3, 4],
    });
    const inner = join(P.mark, storage(12), P.int(0), ints(12), ints(1), P.no, hooks, P.tuple);
    const rebuild = P.global('torch._utils', '_rebuild_tensor_v2');
    const type = P.global('torch.nn.parameter', 'Parameter');
    const value = read(pickle(call('torch._tensor', '_rebuild_from_type_v2', rebuild, type, inner, P.emptyDict)));
    expect(value).toMatchObject({ kind: 'tensor', sizes: [12] });
  });

  it('can be entries of a table', () => {
    const bytes = pickle(call('torch.jit._pickle', 'build_tensor_from_id', P.int(0)));
    const known = read(pickle(tensor(12, whole))) as PickleTensor;
    expect(read(bytes, { tensorTable: [known] })).toBe(known);
    expect(() => read(bytes)).toThrow(/PyTorch 1\.4 or later/);
  });

  it('need no record if they have no data', () => {
    const bytes = pickle(tensor(1000, { sizes: [1000], strides: [1], key: '7' }));
    expect(read(bytes, { storages: new StorageTable('traced_inputs') })).toMatchObject({ sizes: [1000] });
    expect(() => read(bytes)).toThrow(/data\/7 is not in the archive/);
  });

  it.each<[string, Parameters<typeof tensor>, RegExp]>([
    [
      'one element too far',
      [12, { offset: 1, sizes: [12], strides: [1] }],
      /leaves its storage data\/0 of 12 elements/,
    ],
    ['strides too far', [12, { sizes: [2, 2], strides: [12, 1] }], /leaves its storage/],
    ['an offset outside', [12, { offset: 12, sizes: [], strides: [] }], /leaves its storage/],
    ['a negative stride', [12, { offset: 5, sizes: [2], strides: [-1] }], /size that is not an integer/],
    ['a negative size', [12, { sizes: [-1], strides: [1] }], /size that is not an integer/],
    ['a stride missing', [12, { sizes: [2, 2], strides: [1] }], /one stride per dimension/],
    ['too many elements', [12, { sizes: Array<number>(5).fill(2 ** 30), strides: [0, 0, 0, 0, 0] }], /a tensor of/],
    [
      'hidden by a size of 0',
      [12, { sizes: [0, ...Array<number>(5).fill(2 ** 30)], strides: [0, 0, 0, 0, 0, 0] }],
      /a tensor of/,
    ],
    [
      'too many dimensions',
      [12, { sizes: Array<number>(65).fill(1), strides: Array<number>(65).fill(1) }],
      /not a tuple of/,
    ],
    ['a storage larger than its record', [13, whole], /13 elements of float32, but its record has 48 bytes/],
    ['a negative storage', [-1, whole], /storage that is not an integer/],
    ['no record', [12, { ...whole, key: '9' }], /data\/9 is not in the archive/],
  ])('of %s are refused', (_, args, message) => {
    expect(() => read(pickle(tensor(...args)))).toThrow(message);
  });

  it('repeat elements by stride 0', () => {
    expect(read(pickle(tensor(12, { sizes: [1000, 2], strides: [0, 1] })))).toMatchObject({ sizes: [1000, 2] });
  });

  it('of one storage must agree on its length', () => {
    const two = pickle(tensor(12, whole), tensor(2, { sizes: [2], strides: [1] }), P.tuple2);
    expect(() => read(two)).toThrow(/2 elements here and 12 before/);
  });
});

describe('refused pickles', () => {
  it.each<[string, Uint8Array, RegExp]>([
    [
      'os.system',
      call('os', 'system', P.text('id')),
      /os\.system is not allowed in a model: refused; nothing was executed/,
    ],
    ['eval', call('builtins', 'eval', P.text('1')), /builtins\.eval is not allowed/],
    ['getattr', call('__builtin__', 'getattr'), /__builtin__\.getattr/],
    ['a name with the same start', P.global('__torch__x', 'A'), /__torch__x\.A is not allowed/],
    ['a name of Object.prototype', P.global('collections', 'constructor'), /collections\.constructor is not/],
    ['a storage of Object.prototype', P.global('torch', 'toString'), /torch\.toString is not/],
    ['a quantized tensor without arguments', call('torch._utils', '_rebuild_qtensor'), /called with arguments that/],
    ['an unknown quantizer', P.global('torch', 'per_tensor_symmetric'), /quantized.*export the float model/],
    ['a sparse tensor', P.global('torch._utils', '_rebuild_sparse_tensor'), /sparse.*to_dense/],
    ['a nested tensor', P.global('torch._utils', '_rebuild_nested_tensor'), /nested tensor/],
    ['a tensor without storage', P.global('torch._utils', '_rebuild_meta_tensor_no_storage'), /without plain storage/],
    ['an unknown storage', P.global('torch', 'QUInt4x2Storage'), /element type that is not supported/],
    ['a ScriptObject', P.global('torch', 'ScriptObject'), /custom C\+\+ class/],
    ['a custom class', P.global('__torch__.torch.classes.quantized', 'Tokenizer'), /custom C\+\+ class/],
    [
      'a packed class with a longer name',
      P.global('__torch__.torch.classes.rnn', 'CellParamsBaseX'),
      /custom C\+\+ class/,
    ],
    ['another kind of tensor', P.global('torch._utils', '_rebuild_tensor_v3'), /kind of tensor/],
    ['INST', Uint8Array.of(0x69), /opcode 0x69, which TorchScript does not write: refused; nothing was executed/],
    ['STACK_GLOBAL', Uint8Array.of(0x93), /opcode 0x93/],
    ['EXT1', Uint8Array.of(0x82, 1), /opcode 0x82/],
    ['a long of 9 bytes', P.long(0, 0, 0, 0, 0, 0, 0, 0, 1), /integer of 9 bytes/],
    ['text that is not UTF-8', Uint8Array.of(0x58, 1, 0, 0, 0, 0xff), /not UTF-8/],
    ['text longer than the file', Uint8Array.of(0x58, 255, 255, 255, 255), /ends within a value/],
    ['a name without end', P.global('x'.repeat(9000), 'y'), /name that does not end/],
    ['a memo that was never stored', P.get(3), /memo 3 was never stored/],
    ['storing nothing', P.put(3), /missing from the stack/],
    ['an empty stack', new Uint8Array(0), /missing from the stack/],
    ['popping past a mark', join(P.none, P.mark, P.tuple1), /missing from the stack/],
    [
      'appending to nothing after a mark',
      join(P.emptyList, P.mark, P.mark, P.none, P.appends),
      /missing from the stack/,
    ],
    ['closing a mark that is not open', P.tuple, /mark is missing/],
    ['an open mark', join(P.none, P.mark), /missing from the stack/],
    ['two values', join(P.none, P.none), /left over/],
    ['appending to a tuple', join(P.emptyTuple, P.none, P.append), /not a list/],
    ['entries for a list', join(P.emptyList, P.none, P.none, P.setItem), /not a dict/],
    ['a key without value', join(P.emptyDict, P.mark, P.none, P.setItems), /key without a value/],
    ['a list as key', join(P.emptyDict, P.emptyList, P.none, P.setItem), /list as the key/],
    ['a class as value', P.global('__torch__', 'A'), /in place of a value/],
    ['a function in a list', listOf(P.global('torch', 'device')), /in place of a value/],
    ['a storage as value', storage(12), /in place of a value/],
    ['a tuple with a storage as value', join(storage(12), P.tuple1), /in place of a value/],
    ['a new object with arguments', join(P.global('__torch__', 'A'), P.none, P.tuple1, P.newObject), /with arguments/],
    [
      'a new object of a function',
      join(P.global('torch', 'device'), P.emptyTuple, P.newObject),
      /not a class of the model/,
    ],
    ['a call of a value', join(P.none, P.emptyTuple, P.reduce), /not a function/],
    [
      'a call of a storage type',
      join(P.global('torch', 'FloatStorage'), P.emptyTuple, P.reduce),
      /arguments that TorchScript/,
    ],
    ['a state for a list', join(P.emptyList, P.none, P.build), /not an object of the model/],
    [
      'a list of ints with another item',
      call('torch.jit._pickle', 'build_intlist', listOf(P.none)),
      /items of another type/,
    ],
    ['an ordered dict with arguments', call('collections', 'OrderedDict', P.emptyList), /arguments that TorchScript/],
    ['a persistent id that is not a storage', join(P.text('storage'), P.persistentId), /not a storage/],
    [
      'a parameter that is not a tensor',
      call('torch._utils', '_rebuild_parameter', P.none, P.yes, P.none),
      /arguments that/,
    ],
  ])('%s', (_, bytes, message) => {
    expect(() => read(pickle(bytes))).toThrow(message);
    expect(() => read(pickle(bytes))).toThrow(expect.objectContaining({ code: 'model_invalid' }));
  });

  it('name the record and the offset', () => {
    expect(() => read(pickle(P.none, P.global('os', 'system')))).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(/^data\.pkl, byte 3: os\.system/) as string,
        details: { stage: 'pickle', record: 'data.pkl', byteOffset: 3, global: 'os.system' },
      }),
    );
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /ends within a value/],
    ['protocol 4', Uint8Array.of(0x80, 4, 0x4e, 0x2e), /not a pickle of protocol 2/],
    ['no end', join(P.proto, P.none), /ends within a value/],
    ['bytes after the end', join(pickle(P.none), P.none), /bytes left over/],
  ])('a pickle with %s', (_, bytes, message) => {
    expect(() => read(bytes)).toThrow(message);
  });
});

describe('limits', () => {
  it('hold for opcodes', () => {
    const many = pickle(listOf(...Array<Uint8Array>(50).fill(P.none)));
    expect(read(many, { maxOpcodes: 54 })).toMatchObject({ kind: 'list' });
    expect(() => read(many, { maxOpcodes: 53 })).toThrow(/more than 53 opcodes/);
  });

  it.each([
    [
      'lists',
      (n: number) => join(...Array<Uint8Array>(n).fill(P.emptyList), ...Array<Uint8Array>(n - 1).fill(P.append)),
    ],
    ['tuples', (n: number) => join(P.emptyTuple, ...Array<Uint8Array>(n - 1).fill(P.tuple1))],
    ['marks', (n: number) => join(...Array<Uint8Array>(n).fill(P.mark), ...Array<Uint8Array>(n).fill(P.tuple))],
  ])('hold for nested %s', (_, nest) => {
    expect(read(pickle(nest(21)))).toBeDefined();
    expect(() => read(pickle(nest(22)))).toThrow(/nested more than 20 levels deep/);
    expect(() => read(pickle(nest(30_000)), { maxOpcodes: 1e6 })).toThrow(/nested more than 20 levels deep/);
  });

  it('count a shared value once, however often it is used', () => {
    // Each level contains the next level twice: 2^15 paths, 16 values.
    const level = (index: number): Uint8Array => join(P.put(index), P.get(index), P.tuple2);
    const value = read(pickle(P.emptyTuple, ...Array.from({ length: 15 }, (_, i) => level(i))));
    expect(value).toMatchObject({ kind: 'tuple' });
  });

  it('stop objects that share a large dict of attributes', () => {
    const entries = Array.from({ length: 500 }, (_, i) => join(P.int(i), P.none));
    const keys = Array.from({ length: 500 }, (_, i) => join(P.text(`k${i}`), P.none));
    const shared = (items: Uint8Array[]): Uint8Array =>
      pickle(
        P.emptyDict,
        P.mark,
        ...items,
        P.setItems,
        P.put(0),
        ...Array<Uint8Array>(100).fill(join(newObject, P.get(0), P.build, P.tuple2)),
      );
    expect(() => read(shared(keys), { maxNesting: 200 })).toThrow(/too many attributes/);
    expect(() => read(shared(entries), { maxNesting: 200 })).toThrow(/too many attributes/);
  });

  it('stop repeated checks of one list', () => {
    const once = (function_: string): Uint8Array =>
      join(P.global('torch.jit._pickle', function_), P.get(0), P.tuple1, P.reduce);
    const bytes = pickle(listOf(P.int(1)), P.put(0), once('build_intlist'), once('build_intlist'), P.tuple3);
    expect(() => read(bytes)).toThrow(/was a List\[int\] before/);
  });
});
