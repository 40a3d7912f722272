import { deltaBinaryUnpack } from './hyparquet-parts.ts';
import { PageProblem } from './page-header.ts';

const MAX_BLOCK_VALUES = 2 ** 24;

/**
 * Unpacks `out.length` integers (DELTA_BINARY_PACKED) from `offset` on and returns their end. The block's sizes are checked first, because
 * unpacking with wrong sizes would not end.
 */
export function unpackDelta(bytes: Uint8Array, offset: number, out: Int32Array | BigInt64Array): number {
  if (out.length === 0) throw new PageProblem('a page has no values');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const block = varint(view, offset);
  const miniblocks = varint(view, block.next);
  const share = block.value / miniblocks.value;
  if (!(block.value <= MAX_BLOCK_VALUES && share >= 1 && Number.isInteger(share))) {
    throw new PageProblem(`a page has blocks of ${block.value} values in ${miniblocks.value} parts`);
  }
  const reader = { view, offset };
  deltaBinaryUnpack(reader, out.length, out);
  return reader.offset;
}

function varint(view: DataView, offset: number): { value: number; next: number } {
  let value = 0;
  for (let index = 0; index < 5; index++) {
    const byte = view.getUint8(offset + index);
    value += (byte & 127) * 128 ** index;
    if (byte < 128) return { value, next: offset + index + 1 };
  }
  throw new PageProblem('a number is too long');
}
