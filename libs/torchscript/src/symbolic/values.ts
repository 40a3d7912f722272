import type { FunctionDef } from '../frontend/ast.ts';
import type { PickleTensor } from '../pickle/pickle-value.ts';
import type { ScalarType } from '../scalar-type.ts';
import type { Dim, SymInt } from './sym-int.ts';

/**
 * What a name of the serialised code stands for while it is executed. Python's ints are bigint and its floats number,
 * so that the two can be told apart; `null` is None.
 */
export type Value =
  | null
  | string
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
  | UninitializedValue;

/** A number or truth value, concrete or known only at run time. */
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

/** What a truth value known only at run time comes from. */
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

/** Objects are numbered as they are made, which tells those that lived before a trial from those made in it. */
export function nextSerial(): number {
  return serials++;
}

/** Where a tensor's elements are. */
export type TensorData =
  /** A value of the graph at this depth. */
  | { readonly kind: 'graph'; readonly name: string; readonly depth: number }
  /** A weight of the archive. */
  | { readonly kind: 'weight'; readonly tensor: PickleTensor; readonly path: string }
  /** Few elements, row-major, each concrete or a number known at run time: sizes on their way into a shape, mostly. */
  | {
      readonly kind: 'elements';
      readonly elements: readonly Scalar[];
      /** Whether it stands in the code as a constant: traced code holds Python's numbers so. */
      readonly literal?: true;
    };

/** A tensor at one moment: type, shape and where its elements are. Immutable. */
export interface TensorContent {
  readonly dtype: ScalarType;
  readonly shape: readonly Dim[];
  readonly data: TensorData;
  /** Whether PyTorch holds it contiguous in memory, as far as that is known: decides whether `contiguous()` is a copy. */
  readonly contiguous: boolean;
}

/** How a view hangs on the tensor it shows. */
export interface ViewLink {
  readonly base: TensorValue;
  /** False while what `read` gives would not outlive a branch or loop body that is executed on trial. */
  readonly mayKeep: () => boolean;
  /** The view's content from its base's. */
  readonly read: (base: TensorContent) => TensorContent;
  /** The base's content once the view holds `updated`. */
  readonly write: (base: TensorContent, updated: TensorContent) => TensorContent;
}

/**
 * A tensor object of the model's program. In-place operations give it new content; views are linked to their base and
 * follow it both ways. Read it through {@link TensorValue.content}; only the heap changes it.
 */
export class TensorValue {
  readonly kind = 'tensor';
  readonly serial = nextSerial();
  readonly view: ViewLink | undefined;
  /** @internal */
  stored: TensorContent;
  /** Counts changes, so that views see that they are out of date. @internal */
  version = 0;
  /** The base's version that `stored` was derived from. @internal */
  baseVersion: number;

  constructor(content: TensorContent, view?: ViewLink) {
    this.stored = content;
    this.view = view;
    this.baseVersion = view?.base.currentVersion ?? 0;
  }

  /** The version of what this tensor shows, its bases' included. */
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
  /** The item at an index, which may count from the end. */
  readonly item: (index: Dim) => Value;
  /** So many items, where names the list is unpacked into tell how many there are. */
  readonly unpack: (count: number) => readonly Value[];
}

/** A Python list. Read `items`; only the heap changes it. */
export class ListValue {
  readonly kind = 'list';
  readonly serial = nextSerial();
  /** @internal */
  stored: readonly Value[];
  /**
   * A list whose length is known only at run time (appended to in a loop that stays a loop): its elements stacked along a
   * new axis 0. `stored` is empty then.
   */
  stack: TensorValue | undefined;
  /**
   * In a loop that stays a loop, a list that every round appends to: what earlier rounds put into it is not there to be
   * read, and reading it is reported by this function.
   */
  appendOnly: (() => never) | undefined;
  /** How to read a list of pieces of a free axis: their number is known only at run time. */
  pieces: PieceReader | undefined;

  constructor(items: readonly Value[], stack?: TensorValue) {
    this.stored = items;
    this.stack = stack;
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
  /** Where it hangs below the root module: `layers.0.conv`; empty for the root and for objects made by the code. */
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
  /** The names around a nested function. */
  readonly closure?: ReadonlyMap<string, Value>;
}

/** A class of the archive's code, named. */
export interface ClassValue {
  readonly kind: 'class';
  readonly className: string;
}

/** What an unsupported operation gives: execution goes on with it, so that everything unsupported is reported at once. */
export class UnknownValue {
  readonly kind = 'unknown';
}

/** `uninitialized(T)`: a name on a path on which it is never read. */
export class UninitializedValue {
  readonly kind = 'uninitialized';
}

export function isTuple(value: Value | undefined): value is TupleValue {
  return value !== null && typeof value === 'object' && 'kind' in value && value.kind === 'tuple';
}

export function isEnum(value: Value | undefined): value is EnumValue {
  return value !== null && typeof value === 'object' && 'kind' in value && value.kind === 'enum';
}

/** The kind of a value in Python's words, for messages. */
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
  if ('kind' in value) return value.kind === 'tensor' ? `${value.dtype} tensor of rank ${value.rank}` : value.kind;
  return 'int';
}
