import { ThriftReader, type ThriftStruct, type ThriftValue } from './compact-thrift.ts';
import type { Encoding } from './hyparquet-parts.ts';

/** Largest page that is decoded, bytes after decompression. Writers make pages of about 1 MiB. */
const MAX_PAGE_BYTES = 256 * 1024 ** 2;
/** Most values of a page that is decoded. Runs of one value need few bytes, so the bytes do not limit them. */
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

/** The header of a page. */
export interface PageHeader {
  readonly kind: (typeof KINDS)[number];
  /** Bytes of the header itself. */
  readonly headerBytes: number;
  /** Bytes of the page in the file. */
  readonly compressedBytes: number;
  readonly uncompressedBytes: number;
  /** Checksum of the compressed bytes, if the writer wrote one. */
  readonly crc?: number;
  readonly encoding: Encoding;
  /** Number of values, including nulls and empty lists. */
  readonly values: number;
  /** Version 2 only: the page begins with a row, and its levels come first, uncompressed. */
  readonly v2?: {
    readonly rows: number;
    readonly nulls: number;
    readonly definitionBytes: number;
    readonly repetitionBytes: number;
    readonly compressed: boolean;
  };
  /** Version 1 only: which levels have the deprecated BIT_PACKED encoding. */
  readonly bitPacked: { readonly definition: boolean; readonly repetition: boolean };
}

/** Why a page cannot be read, and what the user can do. */
export class PageProblem extends Error {
  /** What to do. If absent, the file is damaged. */
  readonly advice: string | undefined;

  constructor(message: string, advice?: string) {
    super(message);
    this.name = 'PageProblem';
    this.advice = advice;
  }
}

/**
 * Reads the header at the beginning of `bytes`. More bytes may follow. @throws RangeError if the header does not end within `bytes`,
 * PageProblem if it is not valid or the page is too large.
 */
export function readPageHeader(bytes: Uint8Array): PageHeader {
  const reader = new ThriftReader(bytes);
  const header = reader.struct();
  const kind = KINDS[count(header.get(1))];
  const compressedBytes = count(header.get(3));
  const uncompressedBytes = count(header.get(2));
  const crc = header.get(4);
  if (kind === undefined) throw new PageProblem('a page has an unknown type');
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
  if (encoding === undefined) throw new PageProblem('a page has an unknown encoding');
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
    `a page has ${what}; at most ${MAX_PAGE_BYTES} bytes and ${MAX_PAGE_VALUES} values are supported`,
    'Write the file with smaller pages.',
  );
}
