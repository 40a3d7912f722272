import {
  DictValue,
  ListValue,
  TensorValue,
  nextSerial,
  type ObjectValue,
  type TensorContent,
  type Value,
} from './values.ts';

/** A place that holds something that changes: a tensor's content, a list, a dict, an attribute of an object. */
export interface Cell {
  /** The object changed; with `attribute`, the one of its attributes. */
  readonly target: TensorValue | ListValue | DictValue | ObjectValue;
  readonly attribute?: string;
  /** What it holds now, as a value that later changes leave alone. */
  get(): Value | undefined;
  /** Puts a value from `get` back, or another of its kind. */
  set(value: Value | undefined): void;
}

/**
 * All changes to the program's objects go through here, so that a branch or a loop's body can be executed on trial:
 * its changes are recorded, read off and undone.
 */
export class Heap {
  /** What was changed outside of trials, from the start. */
  readonly #changed = new Map<object, Map<string, Cell>>();
  readonly #journals: Map<object, Map<string, { cell: Cell; before: Value | undefined }>>[] = [];

  /** In-place change of a tensor; a view hands it on to its base. */
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
    list.stack = undefined;
    list.pieces = undefined;
  }

  /** Appends to a list; allowed also while its items may not be read, see {@link ListValue.appendOnly}. */
  append(list: ListValue, item: Value): void {
    this.#record(listCell(list));
    list.stored = [...list.stored, item];
  }

  /** Makes a list one of unknown length, see {@link ListValue.stack}. */
  setStack(list: ListValue, stack: TensorValue): void {
    this.#record(listCell(list));
    list.stored = [];
    list.stack = stack;
  }

  setEntries(dict: DictValue, entries: readonly (readonly [Value, Value])[]): void {
    this.#record(dictCell(dict));
    dict.stored = entries;
  }

  setAttribute(object: ObjectValue, name: string, value: Value): void {
    this.#record(attributeCell(object, name));
    object.attributes.set(name, value);
  }

  /**
   * Runs `run` and undoes what it changed. Gives its result and, per changed cell of an object that lived before, what the
   * cell held at the end.
   * What `trial` throws is thrown on, with everything undone.
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
        // What the trial itself made keeps its state: it leaves through the names it is assigned to, or not at all.
        if (cell.target.serial < start) cell.set(before);
      }
    }
  }

  /** Whether a trial is running. */
  get onTrial(): boolean {
    return this.#journals.length > 0;
  }

  /** Cells of objects numbered below `serial` that were changed for good. */
  changesBefore(serial: number): Cell[] {
    return [...this.#changed.values()]
      .flatMap((cells) => [...cells.values()])
      .filter((cell) => cell.target.serial < serial);
  }

  #record(cell: Cell): void {
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
    get: () => new ListValue(list.stored, list.stack),
    set: (value) => {
      if (!(value instanceof ListValue)) return;
      list.stored = value.stored;
      list.stack = value.stack;
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
