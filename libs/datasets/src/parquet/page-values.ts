import { plainByteArrays, deltaByteArrays, deltaLengthByteArrays, type ByteArrayKind } from './byte-arrays.ts';
import { unpackDelta } from './delta.ts';
import { byteStreamSplit, convert, readPlain, DEFAULT_PARSERS } from './hyparquet-parts.ts';
import { exactValues } from './exact-types.ts';
import type { DecodedArray, Encoding } from './hyparquet-parts.ts';
import { readHybrid } from './levels.ts';
import { PageProblem } from './page-header.ts';
import type { Leaf } from './parquet-schema.ts';

/** Values of a page without nulls: a typed array if the file has one. */
export type Values = DecodedArray;

/** The encoded values of a page, after decompression. */
export interface EncodedValues {
  readonly bytes: Uint8Array;
  readonly count: number;
  readonly encoding: Encoding;
}

const FIXED_BYTES = { INT32: 4, INT64: 8, INT96: 12, FLOAT: 4, DOUBLE: 8 } as const;

/** Decodes `count` values. @throws PageProblem or RangeError if the bytes do not contain them. */
export function decodeValues(leaf: Leaf, page: EncodedValues, dictionary?: Values): Values {
  if (page.encoding === 'RLE_DICTIONARY' || page.encoding === 'PLAIN_DICTIONARY') return lookUp(page, dictionary);
  if (leaf.type === 'BYTE_ARRAY') return byteArrays(leaf, page);
  if (page.count === 0) return [];
  return converted(leaf, physicalValues(leaf, page));
}

function physicalValues({ type, element }: Leaf, { bytes, count, encoding }: EncodedValues): DecodedArray {
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
  const { type_length: width } = element;
  if (encoding === 'DELTA_BINARY_PACKED' && (type === 'INT32' || type === 'INT64')) {
    const values = type === 'INT32' ? new Int32Array(count) : new BigInt64Array(count);
    unpackDelta(bytes, 0, values);
    return values;
  }
  if (encoding === 'RLE' && type === 'BOOLEAN') {
    const span = { bytes, start: 4, end: bytes.byteLength, width: 1 };
    return Array.from(readHybrid(span, new Uint8Array(count)), (bit) => bit === 1);
  }
  if (encoding !== 'PLAIN' && encoding !== 'BYTE_STREAM_SPLIT') throw unknownEncoding(encoding);
  // Typed arrays are views of the page's buffer, so they must not exceed the page.
  const needed =
    type === 'BOOLEAN'
      ? Math.ceil(count / 8)
      : count * (type === 'FIXED_LEN_BYTE_ARRAY' ? (width ?? 0) : type === 'BYTE_ARRAY' ? 0 : FIXED_BYTES[type]);
  if (needed > bytes.byteLength || (type === 'FIXED_LEN_BYTE_ARRAY' && !((width ?? 0) > 0))) {
    throw new PageProblem('a page ends before its values do');
  }
  return encoding === 'PLAIN' ? readPlain(reader, type, count, width) : byteStreamSplit(reader, count, type, width);
}

function byteArrays(leaf: Leaf, page: EncodedValues): Values {
  const { element } = leaf;
  const annotated = element.logical_type !== undefined || element.converted_type !== undefined;
  // A value within structs has no column whose type would say that its text is bytes.
  const isNested = leaf.path.length > 1 && leaf.maxRepetition !== 1;
  const kind: ByteArrayKind = leaf.isText ? 'text' : annotated || isNested ? 'bytes' : 'unknown';
  const values = rawByteArrays(page, kind);
  return kind === 'bytes' ? converted(leaf, values) : values;
}

function converted(leaf: Leaf, values: DecodedArray): Values {
  if (leaf.exact !== undefined) return exactValues(leaf.exact, leaf.element, values);
  return convert(values, {
    pathInSchema: [...leaf.path],
    type: leaf.type,
    element: leaf.element,
    schemaPath: [...leaf.schemaPath],
    codec: 'UNCOMPRESSED',
    parsers: DEFAULT_PARSERS,
    utf8: false,
  });
}

function rawByteArrays(page: EncodedValues, kind: ByteArrayKind): unknown[] {
  switch (page.encoding) {
    case 'PLAIN':
      return plainByteArrays(page, kind);
    case 'DELTA_LENGTH_BYTE_ARRAY':
      return page.count === 0 ? [] : deltaLengthByteArrays(page, kind);
    case 'DELTA_BYTE_ARRAY':
      return page.count === 0 ? [] : deltaByteArrays(page, kind);
    default:
      throw unknownEncoding(page.encoding);
  }
}

function lookUp({ bytes, count }: EncodedValues, dictionary: Values | undefined): Values {
  if (count === 0) return [];
  if (dictionary === undefined) throw new PageProblem('a page needs a dictionary, which is missing');
  const width = bytes[0] ?? 255;
  if (width > 32) throw new PageProblem('a page has an unknown encoding');
  const span = { bytes, start: 1, end: bytes.byteLength, width };
  const places = readHybrid(span, width <= 8 ? new Uint8Array(count) : new Uint32Array(count));
  const size = dictionary.length;
  for (const place of places) {
    if (place >= size) throw new PageProblem(`a page refers to value ${place} of a dictionary with ${size} values`);
  }
  if (Array.isArray(dictionary)) {
    const values = new Array<unknown>(count);
    for (let index = 0; index < count; index++) values[index] = dictionary[places[index] ?? 0];
    return values;
  }
  return pick(dictionary, places);
}

function pick(dictionary: Exclude<Values, unknown[]>, places: Uint8Array | Uint32Array): Values {
  const Typed = dictionary.constructor as new (length: number) => typeof dictionary;
  const values = new Typed(places.length);
  for (let index = 0; index < places.length; index++) {
    const value = dictionary[places[index] ?? 0];
    if (value !== undefined) values[index] = value;
  }
  return values;
}

function unknownEncoding(encoding: Encoding): PageProblem {
  return new PageProblem(
    `pages have the encoding ${encoding}, which is not supported`,
    'Write the file with plain or dictionary encoding.',
  );
}
