// hyparquet's readers decode a whole column chunk. For lists, that makes arrays of JavaScript numbers for all values of the row group, and
// damaged levels are not checked. Sconce walks the pages itself in bounded memory and uses hyparquet's definitions of the format and its
// decoders. These modules are part of the package's `exports`; the version is pinned.
export { assembleLists, assembleNested } from 'hyparquet/src/assemble.js';
export { DEFAULT_PARSERS, convert } from 'hyparquet/src/convert.js';
export { deltaBinaryUnpack } from 'hyparquet/src/delta.js';
export { byteStreamSplit } from 'hyparquet/src/encoding.js';
export { readPlain } from 'hyparquet/src/plain.js';
export { isListLike } from 'hyparquet/src/schema.js';
export type {
  CompressionCodec,
  DecodedArray,
  Encoding,
  FileMetaData,
  ParquetType,
  SchemaElement,
  SchemaTree,
} from 'hyparquet';
