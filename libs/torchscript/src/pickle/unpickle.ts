import { meaningOf, refusalOf } from './allowed-globals.ts';
import { isNestedWithin } from './nesting.ts';
import { isKind, isValue, type NamedGlobal, type PickleItem } from './pickle-item.ts';
import { PickleReader } from './pickle-reader.ts';
import type { PickleDict, PickleTensor, PickleValue } from './pickle-value.ts';
import { Rebuilder } from './rebuild.ts';
import type { StorageTable } from './storage-table.ts';

/** Options and limits of {@link unpickle}. */
export interface UnpickleOptions {
  /** Name of the record, for messages: `data.pkl`. */
  readonly record: string;
  /** The storages of the tensors. Without it, a pickle with tensors is refused. */
  readonly storages?: StorageTable;
  /** The table of tensors for `build_tensor_from_id`, if the archive has one. */
  readonly tensorTable?: readonly PickleTensor[];
  readonly maxOpcodes: number;
  /** Largest nesting depth of values. */
  readonly maxNesting: number;
}

/**
 * Reads a pickle that TorchScript wrote (protocol 2). It knows only the opcodes and names that TorchScript's pickler writes. No name
 * is looked up or called: an object is the name of a class and its attributes.
 *
 * The result may be cyclic. Objects that are shared in the file are shared in the result.
 *
 * @throws SconceError `model_invalid` with `record` and `byteOffset` in its details.
 */
export function unpickle(bytes: Uint8Array, options: UnpickleOptions): PickleValue {
  return new Unpickler(bytes, options).run();
}

/** The pickle machine: a stack, marks on it, and a memo. States: before PROTO, running (after PROTO), stopped (after STOP). */
class Unpickler {
  readonly #reader: PickleReader;
  readonly #rebuilder: Rebuilder;
  readonly #options: UnpickleOptions;
  readonly #stack: PickleItem[] = [];
  /** Heights of the stack at which a MARK was made. */
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, PickleItem>();
  /** Number of attributes that were set. Objects can share one dict of attributes, so a small file could set very many. */
  #attributeCount = 0;
  /** The index of each key of a dict. Made when a dict gets its first entry. */
  readonly #positions = new Map<PickleDict, Map<unknown, number>>();

  constructor(bytes: Uint8Array, options: UnpickleOptions) {
    this.#reader = new PickleReader(bytes, options.record);
    this.#rebuilder = new Rebuilder(this.#reader, options);
    this.#options = options;
  }

  run(): PickleValue {
    const reader = this.#reader;
    if (reader.opcode() !== 0x80 || reader.uint8() !== 2) {
      throw reader.error(
        'not a pickle of protocol 2, which TorchScript writes: save the model again with torch.jit.save',
      );
    }
    for (let count = 1; ; count++) {
      if (count > this.#options.maxOpcodes) {
        throw reader.error(`the pickle has more than ${this.#options.maxOpcodes} opcodes, which is the limit`);
      }
      const opcode = reader.opcode();
      if (opcode === 0x2e) return this.#stop();
      this.#step(opcode);
    }
  }

  #stop(): PickleValue {
    const value = this.#popValue();
    if (this.#stack.length > 0 || this.#marks.length > 0) throw this.#reader.damaged('values left over at the end');
    if (!this.#reader.atEnd) throw this.#reader.damaged('bytes left over after the end');
    if (isNestedWithin(value, this.#options.maxNesting)) return value;
    throw this.#reader.error(`values nested more than ${this.#options.maxNesting} levels deep`);
  }

  #step(opcode: number): void {
    const reader = this.#reader;
    switch (opcode) {
      case 0x28: // ( MARK
        this.#marks.push(this.#stack.length);
        return;
      case 0x4e: // N NONE
        return this.#push(null);
      case 0x88: // NEWTRUE
        return this.#push(true);
      case 0x89: // NEWFALSE
        return this.#push(false);
      case 0x4a: // J BININT
        return this.#push(BigInt(reader.int32()));
      case 0x4b: // K BININT1
        return this.#push(BigInt(reader.uint8()));
      case 0x4d: // M BININT2
        return this.#push(BigInt(reader.uint16()));
      case 0x8a: // LONG1
        return this.#push(reader.long(reader.uint8()));
      case 0x47: // G BINFLOAT
        return this.#push(reader.float64());
      case 0x58: // X BINUNICODE
        return this.#push(reader.text(reader.uint32()));
      case 0x29: // ) EMPTY_TUPLE
        return this.#push({ kind: 'tuple', items: [] });
      case 0x74: // t TUPLE
        return this.#push(tupleOf(this.#popToMark()));
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.#push(tupleOf(this.#popMany(opcode - 0x84)));
      case 0x5d: // ] EMPTY_LIST
        return this.#push({ kind: 'list', items: [] });
      case 0x6c: // l LIST
        return this.#push({ kind: 'list', items: this.#values(this.#popToMark()) });
      case 0x61: // a APPEND
        return this.#append(this.#popMany(1));
      case 0x65: // e APPENDS
        return this.#append(this.#popToMark());
      case 0x7d: // } EMPTY_DICT
        return this.#push({ kind: 'dict', entries: [] });
      case 0x64: // d DICT
        return this.#dict(this.#popToMark());
      case 0x73: // s SETITEM
        return this.#setItems(this.#popMany(2));
      case 0x75: // u SETITEMS
        return this.#setItems(this.#popToMark());
      case 0x71: // q BINPUT
        return this.#put(reader.uint8());
      case 0x72: // r LONG_BINPUT
        return this.#put(reader.uint32());
      case 0x68: // h BINGET
        return this.#get(reader.uint8());
      case 0x6a: // j LONG_BINGET
        return this.#get(reader.uint32());
      case 0x63: // c GLOBAL
        return this.#push(this.#global(reader.line(), reader.line()));
      case 0x51: // Q BINPERSID
        return this.#push(this.#rebuilder.storage(this.#pop()));
      case 0x81: // NEWOBJ
        return this.#newObject();
      case 0x52: // R REDUCE
        return this.#reduce();
      case 0x62: // b BUILD
        return this.#build();
      default:
        throw reader.error(
          `opcode 0x${opcode.toString(16).padStart(2, '0')}, which TorchScript does not write: refused; nothing was executed`,
        );
    }
  }

  #push(item: PickleItem): void {
    this.#stack.push(item);
  }

  #pop(): PickleItem {
    const [item] = this.#popMany(1);
    return item as PickleItem;
  }

  #popValue(): PickleValue {
    return this.#values([this.#pop()])[0] as PickleValue;
  }

  /** Takes the topmost items, lowest first. Items below the last mark cannot be taken. */
  #popMany(count: number): PickleItem[] {
    const start = this.#stack.length - count;
    if (start < (this.#marks.at(-1) ?? 0)) throw this.#reader.damaged('a value is missing from the stack');
    return this.#stack.splice(start);
  }

  #popToMark(): PickleItem[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw this.#reader.damaged('a mark is missing from the stack');
    return this.#stack.splice(mark);
  }

  #top(): PickleItem {
    const item = this.#stack.at(-1);
    if (item === undefined || this.#stack.length === (this.#marks.at(-1) ?? 0)) {
      throw this.#reader.damaged('a value is missing from the stack');
    }
    return item;
  }

  #values(items: readonly PickleItem[]): PickleValue[] {
    return items.map((item) => {
      if (isValue(item)) return item;
      throw this.#reader.damaged('a class, function or storage in place of a value');
    });
  }

  #append(items: readonly PickleItem[]): void {
    const list = this.#top();
    if (!isKind(list, 'list')) throw this.#reader.damaged('an append to a value that is not a list');
    for (const value of this.#values(items)) list.items.push(value);
  }

  #dict(items: readonly PickleItem[]): void {
    this.#push({ kind: 'dict', entries: [] });
    this.#setItems(items);
  }

  #setItems(items: readonly PickleItem[]): void {
    const dict = this.#top();
    if (!isKind(dict, 'dict')) throw this.#reader.damaged('entries for a value that is not a dict');
    if (items.length % 2 !== 0) throw this.#reader.damaged('a key without a value');
    let positions = this.#positions.get(dict);
    if (positions === undefined) this.#positions.set(dict, (positions = new Map()));
    const values = this.#values(items);
    for (let i = 0; i < values.length; i += 2) {
      const key = values[i] as PickleValue;
      const value = values[i + 1] as PickleValue;
      const identity = this.#keyIdentity(key);
      const position = positions.get(identity);
      if (position === undefined) {
        positions.set(identity, dict.entries.length);
        dict.entries.push([key, value]);
      } else {
        (dict.entries[position] as [PickleValue, PickleValue])[1] = value;
      }
    }
  }

  /** Two keys are equal if this is the same: the value of plain keys, the object itself for tensors and objects. */
  #keyIdentity(key: PickleValue): unknown {
    if (key === null || typeof key !== 'object') return key;
    switch (key.kind) {
      case 'list':
      case 'dict':
        throw this.#reader.damaged(`a ${key.kind} as the key of a dict`);
      case 'tuple':
        throw this.#reader.damaged('a tuple as the key of a dict, which TorchScript does not have');
      case 'device':
        return `device ${key.device}`;
      case 'complex':
        return `complex ${key.re} ${key.im}`;
      default:
        return key;
    }
  }

  #put(index: number): void {
    this.#memo.set(index, this.#top());
  }

  #get(index: number): void {
    const item = this.#memo.get(index);
    if (item === undefined) throw this.#reader.damaged(`memo ${index} was never stored`);
    this.#push(item);
  }

  #global(module: string, name: string): NamedGlobal {
    const meaning = meaningOf(module, name);
    const global = `${module}.${name}`;
    if (meaning === undefined) throw this.#reader.error(refusalOf(global), { global });
    return { kind: 'global', name: global, meaning };
  }

  #newObject(): void {
    const [type, args] = this.#popMany(2);
    const plain = isKind(args, 'tuple') && args.items.length === 0;
    if (!isKind(type, 'global') || type.meaning.kind !== 'class' || !plain) {
      throw this.#reader.damaged('a new object of a name that is not a class of the model, or with arguments');
    }
    this.#push({ kind: 'object', className: type.meaning.className, attributes: new Map() });
  }

  #reduce(): void {
    const [callee, args] = this.#popMany(2);
    if (!isKind(callee, 'global') || args === undefined)
      throw this.#reader.damaged('a call of a value that is not a function');
    // The value of an enum is not in a tuple. All other arguments are.
    const items = isKind(args, 'tuple') || isKind(args, 'arguments') ? args.items : [args];
    this.#push(this.#rebuilder.call(callee, items));
  }

  /** A plain dict holds the object's attributes. A dict from `__getstate__` has a type tag and is a state. */
  #build(): void {
    const state = this.#popValue();
    const object = this.#top();
    if (!isKind(object, 'object')) throw this.#reader.damaged('a state for a value that is not an object of the model');
    if (isKind(state, 'dict')) this.#attributeCount += state.entries.length;
    if (this.#attributeCount > this.#options.maxOpcodes)
      throw this.#reader.error('the pickle sets too many attributes');
    const attributes = attributesOf(state);
    if (attributes === undefined) object.state = state;
    else for (const [name, value] of attributes) object.attributes.set(name, value);
  }
}

function attributesOf(state: PickleValue): [string, PickleValue][] | undefined {
  if (!isKind(state, 'dict') || state.typeTag !== undefined) return undefined;
  const named = state.entries.filter((entry): entry is [string, PickleValue] => typeof entry[0] === 'string');
  return named.length === state.entries.length ? named : undefined;
}

function tupleOf(items: PickleItem[]): PickleItem {
  return items.every(isValue) ? { kind: 'tuple', items } : { kind: 'arguments', items };
}
