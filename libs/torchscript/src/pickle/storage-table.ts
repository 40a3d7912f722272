import { SCALAR_TYPE_BYTES, type ScalarType } from '../scalar-type.ts';
import type { PickleStorage } from './pickle-value.ts';

/** The storages of one pickle's tensors: records of one folder. Each storage is one object, even if tensors share it. */
export class StorageTable {
  readonly #folder: string;
  readonly #recordBytes: ((record: string) => number | undefined) | undefined;
  readonly #storages = new Map<string, PickleStorage>();

  /**
   * `recordBytes` returns a record's length, or undefined if there is no such record. Without `recordBytes`, storages have no data
   * and only their declared length counts: PyTorch stores example inputs like this.
   */
  constructor(folder: string, recordBytes?: (record: string) => number | undefined) {
    this.#folder = folder;
    this.#recordBytes = recordBytes;
  }

  /** The storage `key`, or a message that says what is wrong with it. */
  find(key: string, dtype: ScalarType, elements: number): PickleStorage | string {
    const record = `${this.#folder}/${key}`;
    const identity = `${record} ${dtype}`;
    const known = this.#storages.get(identity);
    if (known !== undefined) {
      return known.elements === elements
        ? known
        : `storage ${record} has ${elements} elements here and ${known.elements} before`;
    }
    const wanted = elements * SCALAR_TYPE_BYTES[dtype];
    const available = this.#recordBytes === undefined ? wanted : this.#recordBytes(record);
    if (available === undefined) return `storage ${record} is not in the archive`;
    if (!Number.isSafeInteger(wanted) || wanted > available) {
      return `storage ${record} should have ${elements} elements of ${dtype}, but its record has ${available} bytes`;
    }
    const storage: PickleStorage = { dtype, record, elements };
    this.#storages.set(identity, storage);
    return storage;
  }
}
