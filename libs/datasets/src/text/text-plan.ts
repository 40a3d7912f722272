import type { ByteSource } from '@sconce/storage';
import type { ChunkSize, DatasetPosition, PlannedChunk } from '../dataset-reader.ts';
import type { RecordSyntax } from './record-scanner.ts';
import { recordWindows } from './record-windows.ts';

/** The next chunk of a text file. It only separates the records and does not parse them. Blank lines are not rows. */
export async function planText(
  source: ByteSource,
  from: DatasetPosition,
  options: { readonly size: ChunkSize; readonly syntax: RecordSyntax },
): Promise<PlannedChunk> {
  const { rows: wanted, multipleOf, maxBytes } = options.size;
  let rows = 0;
  for await (const window of recordWindows(source, { from: from.offset, to: source.size }, options.syntax)) {
    for (const [index, span] of window.spans.entries()) {
      if (!span.blank) rows += 1;
      if (rows === 0 || rows % multipleOf !== 0 || span.blank) continue;
      // Only the window knows the end of a record that was too long.
      const end = span.next < 0 || index === window.spans.length - 1 ? window.next : window.offset + span.next;
      if (rows >= wanted || end - from.offset >= maxBytes) return planned(from, { rows, end, size: source.size });
    }
  }
  return planned(from, { rows, end: source.size, size: source.size });
}

function planned(from: DatasetPosition, found: { rows: number; end: number; size: number }): PlannedChunk {
  const { rows, end, size } = found;
  const next = { row: from.row + rows, offset: end };
  const last = end >= size;
  if (rows === 0) return { next, last };
  return { chunk: { firstRow: from.row, rows, offset: from.offset, length: end - from.offset }, next, last };
}
