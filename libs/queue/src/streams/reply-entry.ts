import type { RequestTiming } from '@sconce/contracts';
import { SconceError, deserializeError, type SerializedError } from '@sconce/errors';
import type { Tensor } from '@sconce/tensor';
import { freeBytes } from '@sconce/process/memory';
import { MemoryUse } from './memory-use.ts';
import { ByteReader, ByteWriter } from './byte-writer.ts';
import type { RespPieces } from './resp-client.ts';
import { readTensor, readTensorHead, writeTensorHead, type TensorHead } from './tensor-heads.ts';

/*
 * Layout, little-endian: version (u8), number of answers (u32); for each answer the request's number (f64) and 1 for outputs or 0 for an
 * error (u8). Outputs: queueMs, batchMs, runMs, batchRows, answeredAtMs (f64, NaN for unknown), heads of the outputs (u32 and heads). An error: its JSON (text). Then the
 * data of all outputs in order.
 */
const VERSION = 1;

/** The end of a request. */
export type ReplyOutcome =
  | {
      readonly ok: true;
      readonly outputs: readonly Tensor[];
      readonly timing: RequestTiming;
      /** Use of the entry's memory, if it is large. */
      readonly memory?: MemoryUse | undefined;
    }
  | { readonly ok: false; readonly error: SerializedError };

/** The answer to the request of that number. */
export interface NumberedReply {
  readonly number: number;
  readonly outcome: ReplyOutcome;
}

/** The bytes of answers to one producer: the outputs' own memory is among the pieces. */
export function encodeReplyEntry(replies: readonly NumberedReply[]): RespPieces {
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writer.u32(replies.length);
  const data: Uint8Array[] = [];
  let dataBytes = 0;
  for (const { number, outcome } of replies) {
    writer.f64(number);
    writer.u8(outcome.ok ? 1 : 0);
    if (!outcome.ok) {
      writer.text(JSON.stringify(outcome.error));
      continue;
    }
    const { queueMs, batchMs, runMs, batchRows, answeredAtMs } = outcome.timing;
    writer.f64(queueMs);
    writer.f64(batchMs);
    writer.f64(runMs);
    writer.f64(batchRows);
    writer.f64(answeredAtMs ?? NaN);
    writer.u32(outcome.outputs.length);
    for (const output of outcome.outputs) {
      writeTensorHead(writer, output);
      data.push(output.data);
      dataBytes += output.data.byteLength;
    }
  }
  const head = writer.finish();
  return { byteLength: head.byteLength + dataBytes, pieces: [head, ...data] };
}

/** The memory of a smaller entry is left to the garbage collector. */
const LARGE_BYTES = 64 * 1024;

/** Reads answers; the outputs are views of the bytes, which the caller must not use any more. @throws SconceError `internal` for bytes of another version or that end early. */
export function decodeReplyEntry(bytes: Buffer): NumberedReply[] {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== VERSION) throw new SconceError('internal', `A reply has the format ${version}; expected ${VERSION}`);
  const heads: { number: number; timing?: RequestTiming; outputs: TensorHead[]; error?: SerializedError }[] = [];
  for (let count = reader.u32(); count > 0; count--) heads.push(readReply(reader));
  const memory =
    bytes.byteLength < LARGE_BYTES
      ? undefined
      : memoryOf(
          bytes,
          heads.filter(({ timing }) => timing),
        );
  return heads.map(({ number, timing, outputs, error }) => {
    if (timing === undefined) return { number, outcome: { ok: false, error: deserializeError(error).toJSON() } };
    return { number, outcome: { ok: true, timing, outputs: outputs.map((head) => readTensor(reader, head)), memory } };
  });
}

/** The memory of an entry, which all its answers use. */
function memoryOf(bytes: Buffer, users: readonly unknown[]): MemoryUse {
  const memory = new MemoryUse(() => freeBytes(bytes));
  for (let others = users.length - 1; others > 0; others--) memory.begin();
  return memory;
}

function readReply(reader: ByteReader): {
  number: number;
  timing?: RequestTiming;
  outputs: TensorHead[];
  error?: SerializedError;
} {
  const number = reader.f64();
  if (reader.u8() === 0) return { number, outputs: [], error: JSON.parse(reader.text()) as SerializedError };
  const timing = readTiming(reader);
  const outputs: TensorHead[] = [];
  for (let count = reader.u32(); count > 0; count--) outputs.push(readTensorHead(reader));
  return { number, timing, outputs };
}

function readTiming(reader: ByteReader): RequestTiming {
  const timing = { queueMs: reader.f64(), batchMs: reader.f64(), runMs: reader.f64(), batchRows: reader.f64() };
  const answeredAtMs = reader.f64();
  return Number.isNaN(answeredAtMs) ? timing : { ...timing, answeredAtMs };
}
