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
import { writeFiles, type Content } from './output-file.ts';

/** What was written. */
export interface WrittenModel {
  readonly file: string;
  readonly bytes: number;
  /** The file with the weights, where they are not inside. */
  readonly data?: { readonly file: string; readonly bytes: number };
}

export interface WriteOptions {
  /** The file that the model's external data are ranges of. */
  readonly source: ByteSource;
  readonly path: string;
  /** Whether the weights go to a file of their own beside it, `<path>.data`, also where they need not. */
  readonly externalData: boolean;
  /** Is told bytes of how many are written. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
  /** Larger models have their weights in a file of their own. For tests: by default, what a protobuf may hold. */
  readonly maxFileBytes?: number;
}

/** Bytes that are read and written at once. */
const CHUNK_BYTES = 8 * 2 ** 20;
/** Loaders map the weights into memory, which goes by pages. */
const ALIGNMENT = 4096;
/** Smaller tensors stay in the model: many of them are read to optimise it. */
const MIN_EXTERNAL_BYTES = 1024;

/**
 * Writes a model whose weights are ranges of another file as a portable ONNX file, its weights inside or, where they are too
 * many for one, in a second file. The weights pass through in chunks.
 *
 * @throws SconceError `storage_unavailable`; what `signal` aborts with. Nothing is left behind then.
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

/** The model with its weights as ranges of `location`, and what that file holds. A range that several share is there once. */
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

/** The pieces one after the other; ranges of the source are read chunk by chunk. */
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
