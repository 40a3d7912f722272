// hyparquet's own readers decode a column chunk whole: of lists that is every value of the row group as arrays of JavaScript numbers, and
// damaged levels are followed wherever they lead. Sconce walks the pages itself, in bounded memory, and takes from hyparquet what the
// format is made of. These modules are part of the package's `exports`; the version is pinned.
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
