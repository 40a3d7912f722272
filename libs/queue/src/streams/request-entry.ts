import type { TraceContext } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import type { Tensor } from '@sconce/tensor';
import { ByteReader, ByteWriter } from './byte-writer.ts';
import type { RespPieces } from './resp-client.ts';
import { readTensor, readTensorHead, writeTensorHead, type TensorHead } from './tensor-heads.ts';

/*
 * Layout of an entry, little-endian: version (u8), deliveries (u8), model, version, owner (empty for none), reply stream (texts), entry number,
 * addedAtMs (f64), number of requests (u32); for each request its number (f64), acceptedAtMs, deadlineMs (f64), priority (u8, 0 for none),
 * traceparent, tracestate (texts, empty for none), names of outputs (u32 and texts), heads of inputs (u32 and heads); then the data of all
 * inputs in order.
 */
const VERSION = 1;

/** A request of an entry. */
export interface EntryRequest {
  /** Unique among the requests of one producer. */
  readonly number: number;
  /** Epoch ms when the producer accepted it, and after which nobody wants the answer. */
  readonly acceptedAtMs: number;
  readonly deadlineMs: number;
  /** 1 (first) to 255. */
  readonly priority?: number;
  readonly trace?: TraceContext;
  /** Names of the wanted outputs, in order. */
  readonly outputs: readonly string[];
  readonly inputs: readonly Tensor[];
}

/** One entry of a pool's stream: requests for one model version that the producer merged. */
export interface RequestEntry {
  /** Deliveries that ended with the death of a worker before this entry was written again. */
  readonly deliveries: number;
  readonly model: string;
  readonly version: string;
  /** Owner of the callers' keys. */
  readonly owner?: string;
  /** The stream to which the answers go: it names the producer. */
  readonly replyStream: string;
  /** Unique among the entries of one producer; an entry that is written again keeps it. */
  readonly number: number;
  /** Epoch ms when the producer wrote it; an entry that is written again keeps it. */
  readonly addedAtMs: number;
  readonly requests: readonly EntryRequest[];
}

/** Id of a request over all producers: the last part of its reply stream's key, and its number. */
export function requestIdOf(replyStream: string, number: number): string {
  return `${replyStream.slice(replyStream.lastIndexOf(':') + 1)}#${number}`;
}

/** The bytes of an entry: the inputs' own memory is among the pieces. */
export function encodeRequestEntry(entry: RequestEntry): RespPieces {
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writer.u8(entry.deliveries);
  writer.text(entry.model);
  writer.text(entry.version);
  writer.text(entry.owner ?? '');
  writer.text(entry.replyStream);
  writer.f64(entry.number);
  writer.f64(entry.addedAtMs);
  writer.u32(entry.requests.length);
  const data: Uint8Array[] = [];
  let dataBytes = 0;
  for (const request of entry.requests) {
    writer.f64(request.number);
    writer.f64(request.acceptedAtMs);
    writer.f64(request.deadlineMs);
    writer.u8(request.priority ?? 0);
    writer.text(request.trace?.traceparent ?? '');
    writer.text(request.trace?.tracestate ?? '');
    writer.u32(request.outputs.length);
    for (const name of request.outputs) writer.text(name);
    writer.u32(request.inputs.length);
    for (const input of request.inputs) {
      writeTensorHead(writer, input);
      data.push(input.data);
      dataBytes += input.data.byteLength;
    }
  }
  const head = writer.finish();
  return { byteLength: head.byteLength + dataBytes, pieces: [head, ...data] };
}

/** Reads an entry; the inputs are views of the bytes. @throws SconceError `internal` for bytes of another version or that end early. */
export function decodeRequestEntry(bytes: Buffer): RequestEntry {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== VERSION) throw new SconceError('internal', `An entry has the format ${version}; expected ${VERSION}`);
  const deliveries = reader.u8();
  const model = reader.text();
  const modelVersion = reader.text();
  const owner = reader.text();
  const replyStream = reader.text();
  const number = reader.f64();
  const addedAtMs = reader.f64();
  const count = reader.u32();
  const heads: (Omit<EntryRequest, 'inputs'> & { inputs: TensorHead[] })[] = [];
  for (let index = 0; index < count; index++) heads.push(readRequest(reader));
  const requests = heads.map(({ inputs, ...request }) => ({
    ...request,
    inputs: inputs.map((head) => readTensor(reader, head)),
  }));
  return {
    deliveries,
    model,
    version: modelVersion,
    owner: owner === '' ? undefined : owner,
    replyStream,
    number,
    addedAtMs,
    requests,
  };
}

/** Whether a newer release wrote the entry: while releases are exchanged, a newer worker is near. */
export function isOfNewerRelease(bytes: Buffer): boolean {
  return (bytes[0] ?? 0) > VERSION;
}

function readRequest(reader: ByteReader): Omit<EntryRequest, 'inputs'> & { inputs: TensorHead[] } {
  const number = reader.f64();
  const acceptedAtMs = reader.f64();
  const deadlineMs = reader.f64();
  const priority = reader.u8();
  const traceparent = reader.text();
  const tracestate = reader.text();
  const outputs: string[] = [];
  for (let count = reader.u32(); count > 0; count--) outputs.push(reader.text());
  const inputs: TensorHead[] = [];
  for (let count = reader.u32(); count > 0; count--) inputs.push(readTensorHead(reader));
  return {
    number,
    acceptedAtMs,
    deadlineMs,
    priority: priority === 0 ? undefined : priority,
    trace: traceparent === '' ? undefined : { traceparent, tracestate: tracestate === '' ? undefined : tracestate },
    outputs,
    inputs,
  };
}
