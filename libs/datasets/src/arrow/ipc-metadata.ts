// apache-arrow writes the footers of files that it wrote itself, and messages of tables that it made itself. Sconce writes batches out of
// typed arrays, in parts, and puts the footer of the file together afterwards: for that it takes the classes that say what messages and
// footers consist of. These modules are part of the package's `exports`; the version is pinned.
export { Footer, FileBlock } from 'apache-arrow/ipc/metadata/file';
export { BufferRegion, FieldNode, RecordBatch as BatchMetadata } from 'apache-arrow/ipc/metadata/message';
