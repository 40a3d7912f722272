// hyparquet-writer accepts lists as arrays of JavaScript numbers and walks them value by value: about 5 million values a second, and a
// gigabyte for a row group of embeddings. Outputs are typed arrays of known width, so Sconce makes the levels itself and uses only the
// function that writes a column chunk. This module is part of the package's `exports`; the version is pinned.
export { writeColumn } from 'hyparquet-writer/src/column.js';
