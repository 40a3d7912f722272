// hyparquet-writer takes lists as arrays of JavaScript numbers and walks them value by value: some 5 million values a second, and a
// gigabyte for a row group of embeddings. Sconce makes the levels itself (outputs are typed arrays of known width), and takes the writing
// of a column chunk from here. This module is part of the package's `exports`; the version is pinned.
export { writeColumn } from 'hyparquet-writer/src/column.js';
