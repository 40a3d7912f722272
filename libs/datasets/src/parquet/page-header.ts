import { ThriftReader, type ThriftStruct, type ThriftValue } from './compact-thrift.ts';
import type { Encoding } from './hyparquet-parts.ts';

/** Largest page that is decoded, in bytes after decompression; writers make pages of about 1 MiB. */
const MAX_PAGE_BYTES = 256 * 1024 ** 2;
/** Most values of a page that is decoded: runs of one value take hardly any bytes. */
const MAX_PAGE_VALUES = 2 ** 25;

/** BIT_PACKED. */
const OLD_LEVELS = 4;
const NO_LEVELS = { definition: false, repetition: false } as const;

const KINDS = ['data', 'index', 'dictionary', 'data_v2'] as const;

const ENCODINGS: readonly Encoding[] = [
  'PLAIN',
  'GROUP_VAR_INT',
  'PLAIN_DICTIONARY',
  'RLE',
  'BIT_PACKED',
  'DELTA_BINARY_PACKED',
  'DELTA_LENGTH_BYTE_ARRAY',
  'DELTA_BYTE_ARRAY',
  'RLE_DICTIONARY',
  'BYTE_STREAM_SPLIT',
];

/** What stands in front of a page. */
export interface PageHeader {
  readonly kind: (typeof KINDS)[number];
  /** Bytes of the header itself. */
  readonly headerBytes: number;
  /** Bytes of the page as it lies in the file. */
  readonly compressedBytes: number;
  readonly uncompressedBytes: number;
  /** Of the compressed bytes, where the writer wrote one. */
  readonly crc?: number;
  readonly encoding: Encoding;
  /** Values, nulls and empty lists among them. */
  readonly values: number;
  /** Version 2 only: the page begins with a row, and the levels stand in front, uncompressed. */
  readonly v2?: {
    readonly rows: number;
    readonly nulls: number;
    readonly definitionBytes: number;
    readonly repetitionBytes: number;
    readonly compressed: boolean;
  };
  /** Version 1 only: which levels, where there are any, are in the encoding given up long ago. */
  readonly bitPacked: { readonly definition: boolean; readonly repetition: boolean };
}

/** What makes a page unreadable, and what can be done about it. */
export class PageProblem extends Error {
  /** What to do; without it: the file is damaged. */
  readonly advice: string | undefined;

  constructor(message: string, advice?: string) {
    super(message);
    this.name = 'PageProblem';
    this.advice = advice;
  }
}

/**
 * Reads the header at the beginning of `bytes`, which may go on beyond it. @throws RangeError where the header does not end in `bytes`,
 * PageProblem where it makes no sense or the page is too large.
 */
export function readPageHeader(bytes: Uint8Array): PageHeader {
  const reader = new ThriftReader(bytes);
  const header = reader.struct();
  const kind = KINDS[count(header.get(1))];
  const compressedBytes = count(header.get(3));
  const uncompressedBytes = count(header.get(2));
  const crc = header.get(4);
  if (kind === undefined) throw new PageProblem('a page is of no known type');
  if (uncompressedBytes > MAX_PAGE_BYTES) throw tooLarge(`${uncompressedBytes} bytes`);
  const common = {
    kind,
    headerBytes: reader.offset,
    compressedBytes,
    uncompressedBytes,
    ...(typeof crc === 'number' ? { crc: crc >>> 0 } : {}),
  };
  if (kind === 'index') return { ...common, encoding: 'PLAIN', values: 0, bitPacked: NO_LEVELS };
  const own = header.get({ data: 5, dictionary: 7, data_v2: 8 }[kind]);
  if (!(own instanceof Map)) throw new PageProblem('the header of a page is incomplete');
  const fields: ThriftStruct = own;
  const values = count(fields.get(1));
  if (values > MAX_PAGE_VALUES) throw tooLarge(`${values} values`);
  const encoding = ENCODINGS[count(fields.get(kind === 'data_v2' ? 4 : 2))];
  if (encoding === undefined) throw new PageProblem('a page is in no known encoding');
  if (kind !== 'data_v2') {
    const bitPacked = { definition: fields.get(3) === OLD_LEVELS, repetition: fields.get(4) === OLD_LEVELS };
    return { ...common, encoding, values, bitPacked };
  }
  const v2 = {
    rows: count(fields.get(3)),
    nulls: count(fields.get(2)),
    definitionBytes: count(fields.get(5)),
    repetitionBytes: count(fields.get(6)),
    compressed: fields.get(7) !== false,
  };
  const levels = v2.definitionBytes + v2.repetitionBytes;
  if (v2.nulls > values || v2.rows > values || levels > compressedBytes || levels > uncompressedBytes) {
    throw new PageProblem('the header of a page contradicts itself');
  }
  return { ...common, encoding, values, v2, bitPacked: NO_LEVELS };
}

function count(value: ThriftValue | undefined): number {
  if (typeof value === 'number' && value >= 0) return value;
  throw new PageProblem('the header of a page is incomplete');
}

function tooLarge(what: string): PageProblem {
  return new PageProblem(
    `a page claims ${what}; ${MAX_PAGE_BYTES} bytes and ${MAX_PAGE_VALUES} values can be read`,
    'Write the file with smaller pages.',
  );
}
