import { basename } from 'node:path';
import {
  MAX_MODEL_BYTES,
  encodeModel,
  encodeModelPieces,
  isExternal,
  type ExternalData,
  type OnnxModel,
} from '@sconce/onnx';
import type { ByteSource } from '@sconce/storage';
import { writeFiles, type Content } from '../files/output-file.ts';

/** The files that were written. */
export interface WrittenModel {
  readonly file: string;
  readonly bytes: number;
  /** The file with the weights, if they are not in the model file. */
  readonly data?: { readonly file: string; readonly bytes: number };
}

export interface WriteOptions {
  /** The file that has the model's external data. */
  readonly source: ByteSource;
  readonly path: string;
  /** Whether the weights go to a second file, `<path>.data`, even if they fit in the model file. */
  readonly externalData: boolean;
  /** Called with the bytes that are written, and their total. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
  /** A larger model has its weights in a second file. Set by tests; the default is the limit of protobuf. */
  readonly maxFileBytes?: number;
}

/** Bytes of one read and one write. */
const CHUNK_BYTES = 8 * 2 ** 20;
/** Size of a memory page: loaders map the weights into memory. */
const ALIGNMENT = 4096;
/** Smaller tensors stay in the model file: many of them are read to optimise the model. */
const MIN_EXTERNAL_BYTES = 1024;

/**
 * Writes a portable ONNX file of a model whose weights are ranges of another file. The weights go into the ONNX file, or
 * into a second file if they are too large. They are copied in chunks.
 *
 * @throws SconceError `storage_unavailable`; the reason of `signal`. No partial file stays then.
 */
export async function writeOnnx(model: OnnxModel, options: WriteOptions): Promise<WrittenModel> {
  const { path, maxFileBytes = MAX_MODEL_BYTES } = options;
  const whole = encodeModelPieces(model);
  if (!options.externalData && whole.byteLength <= maxFileBytes) {
    await writeFiles([{ path, content: contentOf(whole.pieces, whole.byteLength, options) }]);
    return { file: path, bytes: whole.byteLength };
  }
  const dataPath = `${path}.data`;
  const { split, pieces, bytes } = splitModel(model, basename(dataPath));
  const head = encodeModel(split);
  await writeFiles([
    { path: dataPath, content: contentOf(pieces, bytes, options) },
    { path, content: (write) => write(head) },
  ]);
  return { file: path, bytes: head.byteLength, data: { file: dataPath, bytes } };
}

type Piece = Uint8Array | ExternalData;

/** The model with its weights as ranges of `location`, and the content of that file. A shared range is written once. */
function splitModel(
  model: OnnxModel,
  location: string,
): { readonly split: OnnxModel; readonly pieces: readonly Piece[]; readonly bytes: number } {
  const pieces: Piece[] = [];
  const placed = new Map<Uint8Array | string, number>();
  let bytes = 0;
  const initializers = model.graph.initializers.map((tensor) => {
    const { data } = tensor;
    const piece = data instanceof Uint8Array || isExternal(data) ? data : undefined;
    if (piece === undefined || (piece instanceof Uint8Array && piece.length < MIN_EXTERNAL_BYTES)) return tensor;
    const key = piece instanceof Uint8Array ? piece : `${piece.offset}:${piece.length}`;
    let offset = placed.get(key);
    if (offset === undefined) {
      const padding = (ALIGNMENT - (bytes % ALIGNMENT)) % ALIGNMENT;
      pieces.push(new Uint8Array(padding), piece);
      offset = bytes + padding;
      placed.set(key, offset);
      bytes = offset + piece.length;
    }
    return { ...tensor, data: { location, offset, length: piece.length } };
  });
  return { split: { ...model, graph: { ...model.graph, initializers } }, pieces, bytes };
}

/** Writes the pieces one after the other. Ranges of the source are read chunk by chunk. */
function contentOf(pieces: readonly Piece[], total: number, options: WriteOptions): Content {
  const { source, signal, onProgress } = options;
  return async (write) => {
    let done = 0;
    for (const piece of pieces) {
      for (let at = 0; at < piece.length; at += CHUNK_BYTES) {
        signal?.throwIfAborted();
        const length = Math.min(CHUNK_BYTES, piece.length - at);
        const chunk =
          piece instanceof Uint8Array ? piece.subarray(at, at + length) : await source.read(piece.offset + at, length);
        await write(chunk);
        done += length;
        onProgress?.(done, total);
      }
    }
  };
}
