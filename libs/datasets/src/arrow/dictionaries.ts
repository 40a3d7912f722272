import type { ByteSource } from '@sconce/storage';
import { joinValues } from '../parquet/value-runs.ts';
import type { ColumnValues } from '../row-block.ts';
import { readLayout } from './arrow-messages.ts';
import type { ArrowField } from './arrow-schema.ts';
import { BatchBody } from './batch-body.ts';
import type { PlacedDictionary } from './batch-index.ts';
import { layColumns } from './column-layout.ts';
import { readValues, type Dictionaries } from './column-values.ts';
import { MessageSource } from './message-source.ts';

/** Reads the values of dictionaries on demand. Keeps the last used values of each id. */
export class DictionaryValues {
  readonly #source: ByteSource;
  readonly #fields: ReadonlyMap<number, ArrowField>;
  readonly #kept = new Map<number, { readonly key: string; readonly values: Promise<ColumnValues> }>();

  constructor(source: ByteSource, fields: readonly ArrowField[]) {
    this.#source = source;
    this.#fields = new Map(dictionaryFields(fields));
  }

  /**
   * The values of dictionary `id` for a batch with the dictionaries `placed` before it. @throws RangeError if there are none.
   *
   * @param within ids of dictionaries whose values are being read.
   */
  valuesOf(
    id: number,
    placed: readonly PlacedDictionary[],
    within: ReadonlySet<number> = new Set(),
  ): Promise<ColumnValues> {
    if (within.has(id)) return Promise.reject(new RangeError(`dictionary ${id} contains itself`));
    const parts: PlacedDictionary[] = [];
    for (const part of placed) {
      if (part.id !== id) continue;
      if (!part.isDelta) parts.length = 0;
      parts.push(part);
    }
    const key = parts.map(({ offset }) => offset).join();
    const kept = this.#kept.get(id);
    if (kept?.key === key) return kept.values;
    const inner = new Set([...within, id]);
    const values = this.#read(id, parts, (other) => this.valuesOf(other, placed, inner));
    this.#kept.set(id, { key, values });
    return values;
  }

  async #read(id: number, parts: readonly PlacedDictionary[], dictionaries: Dictionaries): Promise<ColumnValues> {
    const field = this.#fields.get(id);
    if (field === undefined || parts.length === 0) throw new RangeError(`dictionary ${id} is missing`);
    const values: ColumnValues[] = [];
    for (const { offset } of parts) {
      const placed = await new MessageSource(this.#source).at(offset);
      if (placed?.message.kind !== 'dictionary') throw new RangeError('a dictionary is not at its offset');
      const { message, bodyOffset, end } = placed;
      const layout = readLayout(message.batch, end - bodyOffset);
      const body = new BatchBody(this.#source, layout, { offset: bodyOffset, end });
      const [column] = layColumns([field], layout);
      if (column === undefined) throw new RangeError(`dictionary ${id} is empty`);
      values.push(await readValues(column, { body, dictionaries }, 0, layout.rows));
    }
    return joinValues(values);
  }
}

/** The fields of the values of each dictionary, with their ids. */
export function* dictionaryFields(fields: readonly ArrowField[]): Generator<[number, ArrowField], void, undefined> {
  for (const { name, type, children, dictionary } of fields) {
    if (dictionary !== undefined) yield [dictionary.id, { name, type, children }];
    yield* dictionaryFields(children);
  }
}
