import type { ColumnValues } from '../row-block.ts';

/** A range of values; of a typed array without a copy. */
export function piece(values: ColumnValues, start: number, end: number): ColumnValues {
  if (start === 0 && end === values.length) return values;
  return Array.isArray(values) ? values.slice(start, end) : (values as Uint8Array).subarray(start, end);
}

/** Joins values into a copy, which is typed if all parts are. */
export function joinValues(pieces: readonly ColumnValues[]): ColumnValues {
  const length = pieces.reduce((sum, own) => sum + own.length, 0);
  const some = pieces.filter((own) => own.length > 0);
  const [first] = some;
  if (first !== undefined && ArrayBuffer.isView(first) && some.every((own) => own.constructor === first.constructor)) {
    const Typed = first.constructor as new (length: number) => Uint8Array & ColumnValues;
    const out = new Typed(length);
    let at = 0;
    for (const own of some) {
      out.set(own as Uint8Array, at);
      at += own.length;
    }
    return out;
  }
  const out = new Array<unknown>(length);
  let at = 0;
  for (const own of some) {
    for (let index = 0; index < own.length; index++, at++) out[at] = own[index];
  }
  return out;
}
