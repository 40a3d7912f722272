import type { ArrowType } from './arrow-schema.ts';
import type { BatchBody } from './batch-body.ts';
import type { ColumnLayout } from './column-layout.ts';
import { readOffsets, type Rows } from './primitive-values.ts';

const VIEW_BYTES = 16;
/** A view contains the value itself up to this size. */
const INLINE_BYTES = 12;

/** Text and bytes. @throws RangeError if offsets or views point outside their buffers. */
export async function readByteArrays(
  { text, layout }: Extract<ArrowType, { kind: 'bytes' }>,
  column: ColumnLayout,
  body: BatchBody,
  rows: Rows & { readonly valid: readonly boolean[] | undefined },
): Promise<unknown[]> {
  const { from, to } = rows;
  if (to === from) return [];
  if (layout === 'view') return readViews(column, body, { ...rows, text });
  const offsets = await readOffsets(body, column.buffer + 1, { bits: layout, from, to });
  const first = offsets[0] ?? 0;
  const bytes = bufferOf(await body.slice(column.buffer + 2, first, offsets.at(-1) ?? 0));
  return Array.from({ length: to - from }, (_, row) =>
    valueOf(bytes, (offsets[row] ?? 0) - first, (offsets[row + 1] ?? 0) - first, text),
  );
}

/** Views: each has a value's length and the value itself, or its buffer and offset. */
async function readViews(
  { buffer, variadic }: ColumnLayout,
  body: BatchBody,
  { from, to, text, valid }: Rows & { readonly text: boolean; readonly valid: readonly boolean[] | undefined },
): Promise<unknown[]> {
  const views = bufferOf(await body.slice(buffer + 1, from * VIEW_BYTES, to * VIEW_BYTES));
  const used = new Map<number, { from: number; to: number }>();
  for (let at = 0; at < views.length; at += VIEW_BYTES) {
    // The view of a null row has no meaning.
    if (valid?.[at / VIEW_BYTES] === false) continue;
    const size = views.readInt32LE(at);
    if (size < 0) throw new RangeError(`a value has ${size} bytes`);
    if (size <= INLINE_BYTES) continue;
    const data = views.readInt32LE(at + 8);
    const offset = views.readInt32LE(at + 12);
    if (data < 0 || data >= variadic || offset < 0) throw new RangeError(`a value is in buffer ${data} at ${offset}`);
    const range = used.get(data);
    if (range === undefined) used.set(data, { from: offset, to: offset + size });
    else Object.assign(range, { from: Math.min(range.from, offset), to: Math.max(range.to, offset + size) });
  }
  const parts = new Map<number, { readonly from: number; readonly bytes: Buffer }>();
  for (const [data, range] of used) {
    parts.set(data, { from: range.from, bytes: bufferOf(await body.slice(buffer + 2 + data, range.from, range.to)) });
  }
  return Array.from({ length: to - from }, (_, row) => {
    if (valid?.[row] === false) return null;
    const at = row * VIEW_BYTES;
    const size = views.readInt32LE(at);
    if (size <= INLINE_BYTES) return valueOf(views, at + 4, at + 4 + size, text);
    const part = parts.get(views.readInt32LE(at + 8));
    if (part === undefined) throw new RangeError('a value has no buffer');
    const start = views.readInt32LE(at + 12) - part.from;
    return valueOf(part.bytes, start, start + size, text);
  });
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function valueOf(bytes: Buffer, start: number, end: number, text: boolean): unknown {
  return text ? bytes.toString('utf8', start, end) : bytes.subarray(start, end);
}
