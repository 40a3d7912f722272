// apache-arrow can only write whole files from its own tables. Sconce writes batches from typed arrays, in parts, and makes the footer of
// the file afterwards. For this it uses apache-arrow's classes of messages and footers. These modules are part of the package's `exports`;
// the version is pinned.
export { Footer, FileBlock } from 'apache-arrow/ipc/metadata/file';
export { BufferRegion, FieldNode, RecordBatch as BatchMetadata } from 'apache-arrow/ipc/metadata/message';
