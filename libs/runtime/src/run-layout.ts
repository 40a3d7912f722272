import { SconceError } from '@sconce/errors';
import { byteLength, padRows, type Tensor } from '@sconce/tensor';
import type { RunCall } from './inference-pool.ts';
import type { SharedTensor, WantedOutput } from './thread-protocol.ts';

/** Keeps every tensor in a task's buffer aligned for any element type and for SIMD loads. */
const ALIGNMENT = 64;

/** Where the tensors of a run lie in its shared buffer. */
export interface RunLayout {
  readonly byteLength: number;
  readonly inputs: readonly SharedTensor[];
  /** The bytes of each input, in order. */
  readonly pieces: readonly (readonly Uint8Array[])[];
  readonly outputs: readonly WantedOutput[];
  /** Bytes of the outputs whose sizes are known before the run. */
  readonly slotBytes: number;
}

/** Lays out the joined inputs of a call, and its outputs whose sizes are known. */
export function layOut(call: RunCall): RunLayout {
  const first = call.parts[0];
  if (first === undefined) throw new SconceError('internal', 'A session call needs at least one part');
  let end = 0;
  const place = (length: number): number => {
    const offset = end;
    end = Math.ceil((offset + length) / ALIGNMENT) * ALIGNMENT;
    return offset;
  };
  const pieces = first.map((input, index) => piecesOf(call, input, index));
  const inputs = first.map(({ name, datatype, shape: own }, index): SharedTensor => {
    const length = (pieces[index] ?? []).reduce((sum, piece) => sum + piece.byteLength, 0);
    const shape = call.rows?.inputs.has(name) === true ? [call.rows.count, ...own.slice(1)] : own;
    return { name, datatype, shape, byteOffset: place(length), byteLength: length };
  });
  const rows = call.rows?.count ?? 0;
  let slotBytes = 0;
  const outputs = call.outputs.map(({ name, datatype, shape: declared }): WantedOutput => {
    const shape = [rows, ...declared.slice(1)];
    if (call.rows === undefined || datatype === 'BYTES' || declared.length === 0 || shape.some((size) => size <= 0)) {
      return { name };
    }
    const length = byteLength(datatype, shape);
    slotBytes += length;
    return { name, slot: { name, datatype, shape, byteOffset: place(length), byteLength: length } };
  });
  return { byteLength: end, inputs, pieces, outputs, slotBytes };
}

/** The pieces of one input of the run: the rows of all parts, then repetitions of the last row. An input without rows is one piece. */
function piecesOf({ rows, parts }: RunCall, input: Tensor, index: number): readonly Uint8Array[] {
  if (rows?.inputs.has(input.name) !== true) return [input.data];
  const tensors = parts.map((part) => {
    const tensor = part[index];
    if (tensor === undefined) throw new SconceError('internal', `A part lacks input "${input.name}"`);
    return tensor;
  });
  const missing = rows.count - tensors.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
  const last = tensors.at(-1) ?? input;
  if (missing === 0) return tensors.map(({ data }) => data);
  return [...tensors.slice(0, -1), padRows(last, (last.shape[0] ?? 0) + missing)].map(({ data }) => data);
}

/** Copies the inputs into the buffer. */
export function fill(target: Uint8Array, { inputs, pieces }: RunLayout): void {
  inputs.forEach((input, index) => {
    let offset = input.byteOffset;
    for (const piece of pieces[index] ?? []) {
      target.set(piece, offset);
      offset += piece.byteLength;
    }
  });
}

/** The bytes of an output. */
export function copyOut(buffer: SharedArrayBuffer, slot: SharedTensor): Uint8Array {
  const copy = new Uint8Array(slot.byteLength);
  copy.set(new Uint8Array(buffer, slot.byteOffset, slot.byteLength));
  return copy;
}
