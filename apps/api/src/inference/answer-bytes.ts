import type { ReadyManifest } from '@sconce/models';
import type { InferenceAnswer } from '@sconce/queue';
import { freeBytes } from '@sconce/process/memory';
import { byteLength, type Tensor } from '@sconce/tensor';
import type { PreparedInference } from './prepared-inference.ts';

/** The bytes of the outputs of a version. As far as its signature says them: for each row, if its rows are independent. */
interface OutputBytes {
  readonly all: number;
  readonly byName: ReadonlyMap<string, number>;
  /** Index of an input that has the rows; undefined if the bytes are those of the whole output. */
  readonly rowsOf: number | undefined;
  /** Whether the signature leaves the size of an output open. */
  readonly isOpen: boolean;
  /** Then: the mean of the latest answers, of which the last ones count most. */
  mean: number;
}

/** The part of an answer in the mean. */
const MEAN_PART = 1 / 8;

/** By upload, because the read cache replaces manifests. The latest versions, oldest first. */
const versions = new Map<string, OutputBytes>();
const MAX_VERSIONS = 1_024;

/**
 * The bytes that the outputs of a request will take. If the signature leaves a size open, it is the mean of the latest answers, so that
 * requests in flight reserve together what they will need, and a few large answers do not refuse others.
 */
export function expectedAnswerBytes({ manifest, request: { inputs, outputs } }: PreparedInference): number {
  const sizes = bytesOf(manifest);
  if (sizes.isOpen) return sizes.mean;
  let bytes = sizes.all;
  if (outputs.length < sizes.byName.size) {
    bytes = 0;
    for (const { name } of outputs) bytes += sizes.byName.get(name) ?? 0;
  }
  return sizes.rowsOf === undefined ? bytes : bytes * (inputs[sizes.rowsOf]?.shape[0] ?? 1);
}

/** Learns the bytes of an answer. Returns them. */
export function learnAnswerBytes(manifest: ReadyManifest, outputs: readonly Tensor[]): number {
  const bytes = tensorBytes(outputs);
  const sizes = bytesOf(manifest);
  if (sizes.isOpen) sizes.mean += MEAN_PART * (bytes - sizes.mean);
  return bytes;
}

function bytesOf(manifest: ReadyManifest): OutputBytes {
  let sizes = versions.get(manifest.upload_id);
  if (sizes === undefined) {
    sizes = sizesOf(manifest);
    versions.set(manifest.upload_id, sizes);
    const [oldest] = versions.keys();
    if (versions.size > MAX_VERSIONS && oldest !== undefined) versions.delete(oldest);
  }
  return sizes;
}

function sizesOf({ signature: { inputs, outputs }, batch }: ReadyManifest): OutputBytes {
  const hasRows = batch !== undefined && batch.axis !== 'none';
  const byName = new Map<string, number>();
  let all = 0;
  let isOpen = false;
  for (const { name, datatype, shape } of outputs) {
    const sizes = hasRows ? shape.slice(1) : shape;
    if (datatype === 'BYTES' || sizes.some((size) => size < 0)) {
      isOpen = true;
      continue;
    }
    const bytes = byteLength(datatype, sizes);
    byName.set(name, bytes);
    all += bytes;
  }
  const withRows = inputs.findIndex(({ name }) => batch?.inputs?.includes(name) ?? true);
  return { all, byName, rowsOf: hasRows && withRows >= 0 ? withRows : undefined, isOpen, mean: 0 };
}

/** Bytes of all tensors. */
export function tensorBytes(tensors: readonly Tensor[]): number {
  let bytes = 0;
  for (const { data } of tensors) bytes += data.byteLength;
  return bytes;
}

/** Frees the memory of an answer that nobody reads any more. */
export function freeAnswer({ memory, outputs }: InferenceAnswer): void {
  if (memory !== undefined) memory.end();
  else for (const { data } of outputs) freeBytes(data);
}
