import type { ByteSource } from '@sconce/storage';

import type { ByteRangeInFile } from './torchscript-archive.ts';

/** Ranges that are at most this far apart are read together. */
const MERGE_GAP_BYTES = 16 * 1024;
/** Largest joint read. */
const MAX_MERGED_BYTES = 4 * 1024 * 1024;
const MAX_READS_AT_ONCE = 16;

interface Batch {
  readonly offset: number;
  end: number;
  readonly members: number[];
}

/** Reads many small ranges in few reads. Returns the bytes in the order of `ranges`. All ranges must be within the source. */
export async function readRanges(source: ByteSource, ranges: readonly ByteRangeInFile[]): Promise<Uint8Array[]> {
  const batches = batch(ranges);
  const results = new Array<Uint8Array>(ranges.length);
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let current = batches[next++]; current !== undefined; current = batches[next++]) {
      const bytes = await source.read(current.offset, current.end - current.offset);
      for (const member of current.members) {
        const { offset, length } = ranges[member] as ByteRangeInFile;
        results[member] = bytes.subarray(offset - current.offset, offset - current.offset + length);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(MAX_READS_AT_ONCE, batches.length) }, lane));
  return results;
}

function batch(ranges: readonly ByteRangeInFile[]): Batch[] {
  const order = ranges.map((_, index) => index);
  order.sort((a, b) => (ranges[a] as ByteRangeInFile).offset - (ranges[b] as ByteRangeInFile).offset);
  const batches: Batch[] = [];
  for (const index of order) {
    const { offset, length } = ranges[index] as ByteRangeInFile;
    const end = offset + length;
    const last = batches.at(-1);
    if (last !== undefined && offset <= last.end + MERGE_GAP_BYTES && end - last.offset <= MAX_MERGED_BYTES) {
      last.end = Math.max(last.end, end);
      last.members.push(index);
    } else {
      batches.push({ offset, end, members: [index] });
    }
  }
  return batches;
}
