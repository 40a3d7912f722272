import {
  DictValue,
  ListValue,
  TensorValue,
  nextSerial,
  type GrownItems,
  type ObjectValue,
  type TensorContent,
  type Value,
} from './values.ts';
import { modelError } from '../torchscript-error.ts';

/** A place whose content can change: a tensor, a list, a dict, or an attribute of an object. */
export interface Cell {
  /** The object that changes. If `attribute` is set, only that attribute changes. */
  readonly target: TensorValue | ListValue | DictValue | ObjectValue;
  readonly attribute?: string;
  /** The present content, as a copy that later changes do not affect. */
  get(): Value | undefined;
  /** Sets the content to a value from `get`, or to another value of the same kind. */
  set(value: Value | undefined): void;
}

/**
 * Makes all changes to the program's objects. So a branch or the body of a loop can be executed on trial: the heap records its
 * changes, returns them and undoes them.
 */
export class Heap {
  /** The cells that were changed outside of trials. */
  readonly #changed = new Map<object, Map<string, Cell>>();
  readonly #journals: Map<object, Map<string, { cell: Cell; before: Value | undefined }>>[] = [];

  /** Objects that must not change, with the reason. */
  readonly #frozen = new WeakMap<object, string>();
  #isPassing = false;

  /** Attributes that were set, by object. */
  readonly #written = new Map<object, Set<string>>();
  /** Attributes that were read before they were set outside of a trial. */
  readonly #readFirst = new Map<object, Set<string>>();

  /** Notes that the code reads an attribute. */
  noteRead(object: ObjectValue, name: string): void {
    if (this.#written.get(object)?.has(name) === true) return;
    const attributes = this.#readFirst.get(object) ?? new Set();
    this.#readFirst.set(object, attributes.add(name));
  }

  /** Whether the code may read an attribute before it sets it, so that it sees the value from before the execution. */
  isReadFirst(object: ObjectValue, name: string): boolean {
    return this.#readFirst.get(object)?.has(name) === true;
  }

  /** Refuses changes of a list or tensor from now on, because they would not reach another place that PyTorch changes with it. */
  freeze(value: ListValue | TensorValue, reason: string): void {
    let root: object = value;
    while (root instanceof TensorValue && root.view !== undefined) root = root.view.base;
    this.#frozen.set(root, reason);
  }

  /** Runs changes that the code does not make: the values that blocks pass on. They are allowed for frozen objects too. */
  passing(change: () => void): void {
    const outer = this.#isPassing;
    this.#isPassing = true;
    try {
      change();
    } finally {
      this.#isPassing = outer;
    }
  }

  /** Changes a tensor in place. A change of a view also changes its base. */
  setTensor(tensor: TensorValue, content: TensorContent): void {
    if (tensor.view === undefined) {
      const cell = tensorCell(tensor);
      this.#record(cell);
      tensor.stored = content;
      tensor.version++;
      return;
    }
    const { base, write } = tensor.view;
    this.setTensor(base, write(base.content, content));
    tensor.stored = content;
    tensor.baseVersion = base.currentVersion;
  }

  setItems(list: ListValue, items: readonly Value[]): void {
    this.#record(listCell(list));
    list.stored = items;
    list.grown = undefined;
    list.pieces = undefined;
  }

  /** Appends to a list. This is also allowed while its items must not be read, see {@link ListValue.appendOnly}. */
  append(list: ListValue, item: Value): void {
    this.#record(listCell(list));
    list.stored = [...list.stored, item];
  }

  /** Gives a list an unknown length, see {@link ListValue.grown}. */
  setGrown(list: ListValue, grown: GrownItems): void {
    this.#record(listCell(list));
    list.stored = [];
    list.grown = grown;
    list.pieces = undefined;
  }

  setEntries(dict: DictValue, entries: readonly (readonly [Value, Value])[]): void {
    this.#record(dictCell(dict));
    dict.stored = entries;
  }

  setAttribute(object: ObjectValue, name: string, value: Value): void {
    // A change in a branch may not happen, so the value from before is still read.
    if (this.onTrial) this.noteRead(object, name);
    const attributes = this.#written.get(object) ?? new Set();
    this.#written.set(object, attributes.add(name));
    this.#record(attributeCell(object, name));
    object.attributes.set(name, value);
  }

  /**
   * Runs `run` and undoes its changes. Returns its result, and the final content of each changed cell of an object that existed
   * before. If `run` throws, the changes are undone and the error is thrown on.
   */
  trial<T>(run: () => T): {
    readonly result: T;
    readonly changes: readonly { cell: Cell; after: Value | undefined }[];
  } {
    const journal = new Map<object, Map<string, { cell: Cell; before: Value | undefined }>>();
    const start = nextSerial();
    this.#journals.push(journal);
    const entries = (): { cell: Cell; before: Value | undefined }[] =>
      [...journal.values()].flatMap((cells) => [...cells.values()]);
    try {
      const result = run();
      const lasting = entries().filter(({ cell }) => cell.target.serial < start);
      const changes = lasting.map(({ cell }) => ({ cell, after: cell.get() }));
      return { result, changes };
    } finally {
      this.#journals.pop();
      for (const { cell, before } of entries().reverse()) {
        // Objects that the trial made keep their state. They are used only if the trial assigned them to a variable.
        if (cell.target.serial < start) cell.set(before);
      }
    }
  }

  /** Whether a trial is running. */
  get onTrial(): boolean {
    return this.#journals.length > 0;
  }

  /** Takes the present content of all objects as the start: {@link Heap.changesBefore} tells later changes only. */
  forgetChanges(): void {
    this.#changed.clear();
  }

  /** Cells that were changed outside of trials, of objects with a number below `serial`. */
  changesBefore(serial: number): Cell[] {
    return [...this.#changed.values()]
      .flatMap((cells) => [...cells.values()])
      .filter((cell) => cell.target.serial < serial);
  }

  #record(cell: Cell): void {
    const frozen = cell.attribute === undefined && !this.#isPassing ? this.#frozen.get(cell.target) : undefined;
    if (frozen !== undefined) {
      throw modelError('lower', frozen, { hint: 'make a new tensor or list, and put that into the list' });
    }
    if (!this.onTrial) {
      const cells = this.#changed.get(cell.target) ?? new Map<string, Cell>();
      this.#changed.set(cell.target, cells.set(cell.attribute ?? '', cell));
    }
    for (const journal of this.#journals) {
      let cells = journal.get(cell.target);
      if (cells === undefined) journal.set(cell.target, (cells = new Map()));
      const key = cell.attribute ?? '';
      if (!cells.has(key)) cells.set(key, { cell, before: cell.get() });
    }
  }
}

function tensorCell(tensor: TensorValue): Cell {
  return {
    target: tensor,
    get: () => new TensorValue(tensor.content),
    set: (value) => {
      if (!(value instanceof TensorValue)) return;
      tensor.stored = value.content;
      tensor.version++;
    },
  };
}

function listCell(list: ListValue): Cell {
  return {
    target: list,
    get: () => {
      const copy = new ListValue(list.stored, list.grown);
      copy.pieces = list.pieces;
      copy.declared = list.declared;
      return copy;
    },
    set: (value) => {
      if (!(value instanceof ListValue)) return;
      list.stored = value.stored;
      list.grown = value.grown;
      list.pieces = value.pieces;
    },
  };
}

function dictCell(dict: DictValue): Cell {
  return {
    target: dict,
    get: () => new DictValue(dict.stored),
    set: (value) => {
      if (value instanceof DictValue) dict.stored = value.stored;
    },
  };
}

function attributeCell(object: ObjectValue, attribute: string): Cell {
  return {
    target: object,
    attribute,
    get: () => object.attributes.get(attribute),
    set: (value) => {
      if (value === undefined) object.attributes.delete(attribute);
      else object.attributes.set(attribute, value);
    },
  };
}
