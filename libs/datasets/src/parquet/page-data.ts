import { crc32 } from 'node:zlib';
import { decompress } from './decompress.ts';
import type { CompressionCodec } from './hyparquet-parts.ts';
import { levelWidth, readHybrid, uniformValue, type HybridSpan } from './levels.ts';
import { PageProblem, type PageHeader } from './page-header.ts';
import { decodeValues, type Values } from './page-values.ts';
import type { Leaf } from './parquet-schema.ts';

/** Levels and values of a data page. */
export interface PageData {
  /** Number of values, including nulls and empty lists. */
  readonly count: number;
  /** 0 at the beginning of a row; absent if every value is a row. */
  readonly repetition?: Uint8Array;
  /** Absent if nothing is null or empty. */
  readonly definition?: Uint8Array;
  /** Number of values that are neither null nor missing. */
  readonly values: Values;
}

/** A data page whose values are decoded on demand. */
export interface OpenedPage {
  /** Rows that begin in the page. */
  readonly rows: number;
  data(dictionary: Values | undefined): PageData;
}

/** The values of a dictionary page. @throws PageProblem */
export function readDictionary(
  leaf: Leaf,
  codec: CompressionCodec,
  page: { readonly header: PageHeader; readonly bytes: Uint8Array },
): Values {
  const { header } = page;
  checkCrc(page);
  const bytes = decompress(page.bytes, codec, header.uncompressedBytes);
  return decodeValues(leaf, { bytes, count: header.values, encoding: 'PLAIN' });
}

/** Decompresses a data page and reads its levels. @throws PageProblem */
export function openPage(
  leaf: Leaf,
  codec: CompressionCodec,
  page: { readonly header: PageHeader; readonly bytes: Uint8Array },
): OpenedPage {
  const { header } = page;
  const { values: count } = header;
  checkCrc(page);
  const { bytes, repetition: repetitionAt, definition: definitionAt, start } = split(leaf, codec, page);
  let repetition: Uint8Array | undefined;
  let rows = count;
  if (leaf.maxRepetition > 0) {
    repetition = readHybrid(repetitionAt, new Uint8Array(count));
    rows = 0;
    for (const level of repetition) if (level === 0) rows += 1;
  }
  return {
    rows,
    data: (dictionary) => {
      const levels = definitionLevels(leaf, definitionAt, count);
      const values = decodeValues(
        leaf,
        { bytes: bytes.subarray(start), count: levels.present, encoding: header.encoding },
        dictionary,
      );
      if (values.length !== levels.present) throw new PageProblem('a page has fewer values than its header says');
      return {
        count,
        values,
        repetition,
        definition: levels.definition,
      };
    },
  };
}

interface SplitPage {
  readonly bytes: Uint8Array;
  readonly repetition: HybridSpan;
  readonly definition: HybridSpan;
  /** Offset of the values. */
  readonly start: number;
}

/** Finds levels and values. */
function split(
  { maxRepetition, maxDefinition }: Leaf,
  codec: CompressionCodec,
  { header, bytes }: { readonly header: PageHeader; readonly bytes: Uint8Array },
): SplitPage {
  const widths = [levelWidth(maxRepetition), levelWidth(maxDefinition)] as const;
  const { v2 } = header;
  if (v2 !== undefined) {
    const { repetitionBytes, definitionBytes } = v2;
    const levels = repetitionBytes + definitionBytes;
    const packed = bytes.subarray(levels);
    const length = header.uncompressedBytes - levels;
    return {
      bytes: v2.compressed ? decompress(packed, codec, length) : packed,
      repetition: { bytes, start: 0, end: repetitionBytes, width: widths[0] },
      definition: { bytes, start: repetitionBytes, end: levels, width: widths[1] },
      start: 0,
    };
  }
  const { bitPacked } = header;
  if ((bitPacked.definition && maxDefinition > 0) || (bitPacked.repetition && maxRepetition > 0)) {
    throw new PageProblem('its levels have the deprecated BIT_PACKED encoding', 'Write the file with a newer writer.');
  }
  const page = decompress(bytes, codec, header.uncompressedBytes);
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  let start = 0;
  const spans = widths.map((width): HybridSpan => {
    if (width === 0) return { bytes: page, start, end: start, width };
    const from = start + 4;
    start = from + view.getUint32(start, true);
    if (start > page.byteLength) throw new PageProblem('a page ends before its values do');
    return { bytes: page, start: from, end: start, width };
  });
  const [repetition, definition] = spans;
  if (repetition === undefined || definition === undefined) throw new PageProblem('a page has no levels');
  return { bytes: page, repetition, definition, start };
}

function definitionLevels(
  { maxDefinition }: Leaf,
  span: HybridSpan,
  count: number,
): { present: number; definition?: Uint8Array } {
  if (maxDefinition === 0 || count === 0 || uniformValue(span, count) === maxDefinition) return { present: count };
  const definition = readHybrid(span, new Uint8Array(count));
  let present = 0;
  for (const level of definition) {
    if (level === maxDefinition) present += 1;
    else if (level > maxDefinition) throw new PageProblem('a page has levels that its column cannot have');
  }
  return present === count ? { present } : { present, definition };
}

function checkCrc({ header, bytes }: { readonly header: PageHeader; readonly bytes: Uint8Array }): void {
  if (header.crc !== undefined && crc32(bytes) !== header.crc) throw new PageProblem('the checksum of a page is wrong');
}
