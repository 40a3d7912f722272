import type { FunctionDef, TypeExpr } from '../frontend/ast.ts';
import type { PickleTensor } from '../pickle/pickle-value.ts';
import type { ScalarType } from '../scalar-type.ts';
import type { Dim, SymInt } from './sym-int.ts';

/**
 * The value of a variable of the model's code during execution. A Python int is a bigint and a Python float a number, so that the
 * two differ. `null` is None.
 */
export type Value =
  | null
  | string
  | SymStr
  | Scalar
  | TensorValue
  | ListValue
  | TupleValue
  | DictValue
  | ObjectValue
  | EnumValue
  | DeviceValue
  | FunctionValue
  | ClassValue
  | UnknownValue
  | UninitializedValue
  | MaybeValue;

/** A number or truth value. The Sym classes are known only at run time. */
export type Scalar = boolean | bigint | number | SymInt | SymFloat | SymBool;

/** A float known only at run time: the one element of a DOUBLE graph value of rank 0. */
export class SymFloat {
  readonly value: string;
  readonly depth: number;

  constructor(value: string, depth: number) {
    this.value = value;
    this.depth = depth;
  }
}

/** A string known only at run time: one of the strings that the code has, by its number in {@link LowerContext.stringId}. */
export class SymStr {
  readonly id: SymInt;

  constructor(id: SymInt) {
    this.id = id;
  }
}

/** The origin of a truth value that is known only at run time. */
export type Condition =
  /** The one element of a BOOL graph value of rank 0. */
  | { readonly kind: 'value'; readonly value: string; readonly depth: number }
  | { readonly kind: 'compare'; readonly op: 'eq' | 'lt' | 'le'; readonly a: Dim; readonly b: Dim }
  | { readonly kind: 'not'; readonly of: SymBool };

/** A truth value known only at run time. */
export class SymBool {
  readonly condition: Condition;

  constructor(condition: Condition) {
    this.condition = condition;
  }
}

let serials = 0;

/** Numbers objects in the order of their creation, so that objects from before a trial differ from objects made in it. */
export function nextSerial(): number {
  return serials++;
}

/** The place of a tensor's elements. */
export type TensorData =
  /** A value of the graph at this depth. */
  | {
      readonly kind: 'graph';
      readonly name: string;
      readonly depth: number;
      /** Each element is NaN or at least 0. */
      readonly isNonNegative?: true;
    }
  /** A weight of the archive. */
  | { readonly kind: 'weight'; readonly tensor: PickleTensor; readonly path: string }
  /** A few elements, row-major. Each is concrete or known only at run time. Mostly these are sizes that will become a shape. */
  | {
      readonly kind: 'elements';
      readonly elements: readonly Scalar[];
      /** The code has the tensor as a constant. Traced code stores Python's numbers in this way. */
      readonly literal?: true;
    };

/** A tensor at one moment: its type, shape and the place of its elements. Immutable. */
export interface TensorContent {
  readonly dtype: ScalarType;
  readonly shape: readonly Dim[];
  readonly data: TensorData;
  /** Whether PyTorch holds it contiguous in memory, as far as known. It decides whether `contiguous()` is a copy. */
  readonly contiguous: boolean;
  /** The permutation of the nodes Transpose that gave it, if no other node came after them. */
  readonly permutation?: readonly number[];
  /** Scale and zero point of a quantized tensor that the graph computes (lowering/quantized.ts). */
  readonly quantizer?: Quantizer;
}

/** The element `q` of a quantized tensor stands for the number `(q - zeroPoint) * scale`. */
export interface Quantizer {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** The link between a view and its base. */
export interface ViewLink {
  readonly base: TensorValue;
  /** False during a trial, because the result of `read` is not valid after it. */
  readonly mayKeep: () => boolean;
  /** Computes the view's content from its base's content. */
  readonly read: (base: TensorContent) => TensorContent;
  /** Computes the base's content after the view became `updated`. */
  readonly write: (base: TensorContent, updated: TensorContent) => TensorContent;
}

/**
 * A tensor object of the model's program. In-place operations give it new content. A view is linked to its base: a change of one
 * also changes the other. Read it through {@link TensorValue.content}. Only the heap changes it.
 */
export class TensorValue {
  readonly kind = 'tensor';
  readonly serial = nextSerial();
  readonly view: ViewLink | undefined;
  /** @internal */
  stored: TensorContent;
  /** Counts changes, so that views notice that they are out of date. @internal */
  version = 0;
  /** The version of the base from which `stored` was computed. @internal */
  baseVersion: number;

  constructor(content: TensorContent, view?: ViewLink) {
    this.stored = content;
    this.view = view;
    this.baseVersion = view?.base.currentVersion ?? 0;
  }

  /** The version of this tensor, including the versions of its bases. */
  get currentVersion(): number {
    return this.view === undefined ? this.version : this.version + this.view.base.currentVersion;
  }

  /** The tensor as it is now. */
  get content(): TensorContent {
    if (this.view !== undefined) {
      const { base, read, mayKeep } = this.view;
      if (base.currentVersion !== this.baseVersion) {
        const current = read(base.content);
        if (!mayKeep()) return current;
        this.stored = current;
        this.baseVersion = base.currentVersion;
      }
    }
    return this.stored;
  }

  get dtype(): ScalarType {
    return this.stored.dtype;
  }

  get shape(): readonly Dim[] {
    return this.content.shape;
  }

  get rank(): number {
    return this.stored.shape.length;
  }
}

/** Reads a list of unknown length. */
export interface PieceReader {
  /** The number of items. */
  readonly count: Dim;
  /** The item at an index. A negative index counts from the end. */
  readonly item: (index: Dim) => Value;
  /** All items, when the code unpacks the list into `count` variables. */
  readonly unpack: (count: number) => readonly Value[];
}

/** The structure of one item of a list of unknown length. Each leaf of it has a {@link Column}. */
export type ItemForm =
  | { readonly kind: 'tensor' | 'int' | 'float' | 'bool' | 'str' }
  /** A list of unknown length whose items have one shape. It has one column: the items of each list, stacked. */
  | { readonly kind: 'list'; readonly of: ItemForm }
  | { readonly kind: 'tuple'; readonly items: readonly ItemForm[]; readonly named?: TupleValue['named'] };

/** One leaf of all items of a list of unknown length. */
export interface Column {
  /** [count, ...item]: the leaves along a new axis 0. With `sizes`, 1-D: the elements of all leaves one after the other. */
  readonly data: TensorValue;
  /** int64 [count, rank]: the shape of each leaf, if the shapes may differ. */
  readonly sizes?: TensorValue;
}

/** The items of a list whose length is known only at run time. */
export interface GrownItems {
  readonly form: ItemForm;
  readonly columns: readonly Column[];
}

/** A Python list. Read `items`. Only the heap changes it. */
export class ListValue {
  readonly kind = 'list';
  readonly serial = nextSerial();
  /** @internal */
  stored: readonly Value[];
  /** The items of a list of unknown length. `stored` is then empty. */
  grown: GrownItems | undefined;
  /**
   * Set while a Loop's body appends to the list. The items of earlier rounds do not exist there, so a read calls this function,
   * which ends the trial.
   */
  appendOnly: (() => never) | undefined;
  /** Reads a list that holds the pieces of a split free axis. Their number is known only at run time. */
  pieces: PieceReader | undefined;
  /** The type of the items of an empty list, as the code declares it. */
  declared: TypeExpr | undefined;

  constructor(items: readonly Value[], grown?: GrownItems) {
    this.stored = items;
    this.grown = grown;
  }

  get items(): readonly Value[] {
    this.appendOnly?.();
    return this.stored;
  }
}

export interface TupleValue {
  readonly kind: 'tuple';
  readonly items: readonly Value[];
  /** A NamedTuple's class and fields. */
  readonly named?: { readonly className: string; readonly fields: readonly string[] };
}

/** A Python dict in insertion order. Keys are strings, ints, floats, bools or tensors compared by value or identity. */
export class DictValue {
  readonly kind = 'dict';
  readonly serial = nextSerial();
  /** @internal */
  stored: readonly (readonly [Value, Value])[];

  constructor(entries: readonly (readonly [Value, Value])[]) {
    this.stored = entries;
  }

  get entries(): readonly (readonly [Value, Value])[] {
    return this.stored;
  }
}

/** A module or an instance of another class of the archive. Only the heap changes its attributes. */
export class ObjectValue {
  readonly kind = 'object';
  readonly serial = nextSerial();
  readonly className: string;
  readonly attributes: Map<string, Value>;
  /** Path below the root module: `layers.0.conv`. Empty for the root, and for objects that the code makes. */
  readonly path: string;

  constructor(className: string, attributes: Map<string, Value>, path: string) {
    this.className = className;
    this.attributes = attributes;
    this.path = path;
  }
}

export interface EnumValue {
  readonly kind: 'enum';
  readonly className: string;
  readonly name: string;
  readonly value: Value;
}

export interface DeviceValue {
  readonly kind: 'device';
  readonly device: string;
}

/** A function of the archive's code, or a nested one (`fork`). */
export interface FunctionValue {
  readonly kind: 'function';
  readonly definition: FunctionDef;
  /** The variables around a nested function. */
  readonly closure?: ReadonlyMap<string, Value>;
}

/** A class of the archive's code, used as a value. */
export interface ClassValue {
  readonly kind: 'class';
  readonly className: string;
}

/** The result of an unsupported operation. Execution continues with it, so that one report names everything unsupported. */
export class UnknownValue {
  readonly kind = 'unknown';
}

/** The value of `uninitialized(T)`: a variable that is never read on this path. */
export class UninitializedValue {
  readonly kind = 'uninitialized';
}

/** An Optional of which only a run knows whether it is None. */
export class MaybeValue {
  readonly kind = 'Optional';
  readonly present: boolean | SymBool;
  /** The value if it is not None. */
  readonly value: Value;

  constructor(present: boolean | SymBool, value: Value) {
    this.present = present;
    this.value = value;
  }
}

/** Whether a value is a tuple. */
export function isTuple(value: Value | undefined): value is TupleValue {
  return value !== null && typeof value === 'object' && 'kind' in value && value.kind === 'tuple';
}

/** Whether a value is a member of an enum. */
export function isEnum(value: Value | undefined): value is EnumValue {
  return value !== null && typeof value === 'object' && 'kind' in value && value.kind === 'enum';
}

/** The Python type of a value, for messages. */
export function kindOf(value: Value | undefined): string {
  if (value === null || value === undefined) return 'None';
  switch (typeof value) {
    case 'boolean':
      return 'bool';
    case 'bigint':
      return 'int';
    case 'number':
      return 'float';
    case 'string':
      return 'str';
    default:
  }
  if (value instanceof SymFloat) return 'float';
  if (value instanceof SymBool) return 'bool';
  if (value instanceof SymStr) return 'str';
  if ('kind' in value) return value.kind === 'tensor' ? `${value.dtype} tensor of rank ${value.rank}` : value.kind;
  return 'int';
}
