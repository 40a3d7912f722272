import { Message, MessageHeader, MetadataVersion, Schema } from 'apache-arrow';
import type { DatasetWriter, FinishedPart, PartWriter } from '../output/dataset-writer.ts';
import type { OutputBlock } from '../output/output-encoder.ts';
import type { OutputColumn } from '../output/output-mapping.ts';
import { HeldRows, type HeldGroup } from '../parquet/held-rows.ts';
import { batchColumn, storedNodes, type BatchColumn } from './batch-columns.ts';
import { BatchMetadata, BufferRegion, FieldNode, FileBlock, Footer } from './ipc-metadata.ts';

const MAGIC = Buffer.from('ARROW1');
const ALIGNMENT = 8;
/** Bytes before the metadata: a continuation marker and their length. */
const PREFIX_BYTES = 8;
/** Lengths of a batch's metadata and body, in a part's trailer. */
const BLOCK_BYTES = 16;
const END_OF_STREAM = Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);

/**
 * Writes Arrow IPC files. Each part has whole batches, and its trailer has their lengths, from which the footer is made. A value with a shape
 * is a flat list of its elements.
 */
export function arrowWriter(columns: readonly OutputColumn[]): DatasetWriter {
  const stored = columns.map(batchColumn);
  const schema = new Schema(stored.map(({ field }) => field));
  return {
    begin: () => Buffer.concat([padded(MAGIC), ...encapsulated(Message.encode(Message.from(schema)))]),
    part: () => new ArrowPart(stored),
    end: ({ beginBytes, parts }) => {
      const footer = Footer.encode(new Footer(schema, MetadataVersion.V5, placedBlocks(parts, beginBytes), []));
      const length = Buffer.alloc(4);
      length.writeInt32LE(footer.byteLength);
      return Buffer.concat([END_OF_STREAM, footer, length, MAGIC]);
    },
  };
}

class ArrowPart implements PartWriter {
  readonly #columns: readonly BatchColumn[];
  readonly #held: HeldRows;
  readonly #blocks: Buffer[] = [];

  constructor(columns: readonly BatchColumn[]) {
    this.#columns = columns;
    this.#held = new HeldRows(columns.length);
  }

  write(block: OutputBlock): readonly Uint8Array[] {
    return Array.from(this.#held.add(block), (group) => this.#batch(group)).flat();
  }

  end(): { body: readonly Uint8Array[]; trailer: Uint8Array } {
    const body = Array.from(this.#held.rest(), (group) => this.#batch(group)).flat();
    return { body, trailer: Buffer.concat(this.#blocks) };
  }

  /** The message of a batch: its metadata and its buffers, each padded. */
  #batch({ rows, columns }: HeldGroup): Uint8Array[] {
    const nodes: FieldNode[] = [];
    const regions: BufferRegion[] = [];
    const body: Uint8Array[] = [];
    let bodyLength = 0;
    for (const [index, column] of this.#columns.entries()) {
      for (const { length, nulls, buffers } of storedNodes(column, columns[index] ?? [], rows)) {
        nodes.push(new FieldNode(length, nulls));
        for (const buffer of buffers) {
          regions.push(new BufferRegion(bodyLength, buffer.byteLength));
          if (buffer.byteLength === 0) continue;
          const padding = new Uint8Array(paddingOf(buffer.byteLength));
          body.push(buffer, padding);
          bodyLength += buffer.byteLength + padding.byteLength;
        }
      }
    }
    const header = new BatchMetadata(rows, nodes, regions, null);
    const message = new Message(bodyLength, MetadataVersion.V5, MessageHeader.RecordBatch, header);
    const metadata = encapsulated(Message.encode(message));
    const block = Buffer.alloc(BLOCK_BYTES);
    block.writeBigUInt64LE(BigInt(metadata.reduce((sum, piece) => sum + piece.byteLength, 0)), 0);
    block.writeBigUInt64LE(BigInt(bodyLength), 8);
    this.#blocks.push(block);
    return [Buffer.concat([...metadata, ...body])];
  }
}

/** The marker, the length and the metadata, padded so that the next bytes are aligned. */
function encapsulated(metadata: Uint8Array): [Uint8Array, Uint8Array, Uint8Array] {
  const padding = paddingOf(metadata.byteLength);
  const prefix = Buffer.alloc(PREFIX_BYTES, 0xff);
  prefix.writeInt32LE(metadata.byteLength + padding, 4);
  return [prefix, metadata, new Uint8Array(padding)];
}

function padded(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([bytes, new Uint8Array(paddingOf(bytes.byteLength))]);
}

function paddingOf(length: number): number {
  return (ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT;
}

/** The positions of the batches of all parts in the file. */
function placedBlocks(parts: readonly FinishedPart[], beginBytes: number): FileBlock[] {
  const blocks: FileBlock[] = [];
  let offset = beginBytes;
  for (const { trailer } of parts) {
    const lengths = new DataView(trailer.buffer, trailer.byteOffset, trailer.byteLength);
    for (let at = 0; at < trailer.byteLength; at += BLOCK_BYTES) {
      const metadata = Number(lengths.getBigUint64(at, true));
      const body = Number(lengths.getBigUint64(at + 8, true));
      blocks.push(new FileBlock(metadata, body, offset));
      offset += metadata + body;
    }
  }
  return blocks;
}
