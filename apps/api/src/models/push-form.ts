import type { Readable } from 'node:stream';
import type { ModelConfig } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import { parseModelConfig } from '@sconce/models';
import { casesOf, decodeSafetensors } from '@sconce/tensor';
import { discard, readParts, type FormPart } from '../http/multipart-parts.ts';

/** What a push consists of, checked as far as it can be before the artifact is there. */
export interface PushBody {
  readonly config?: ModelConfig;
  /** A safetensors file that holds calls. */
  readonly cases?: Uint8Array;
  /** The artifact. Of a form, it throws in the end where the form goes on after it. */
  readonly model: AsyncIterable<Uint8Array>;
  /** Lets go of the request: what was not read of it is read and thrown away. To be called in any case. */
  close(): Promise<void>;
}

/** The parts of the form, in the order they have to come in. */
const PARTS = ['config', 'cases', 'model'] as const;
type PartName = (typeof PARTS)[number];

export const MAX_CONFIG_BYTES = 256 * 1024;
export const MAX_CASES_BYTES = 32 * 1024 * 1024;
/** Tens of thousands of tensors; parsing it takes milliseconds of the event loop. */
const MAX_CASES_HEADER_BYTES = 1024 * 1024;

/**
 * Reads the form of a push of the model `name` up to the artifact, which is left a stream.
 *
 * @throws SconceError that names the part: `invalid_request`, `invalid_tensor`, `payload_too_large`; and as `readParts` and
 * `parseModelConfig` do.
 */
export async function readPushForm(
  payload: Readable,
  { name, contentType }: { readonly name: string; readonly contentType: string },
): Promise<PushBody> {
  const parts = readParts(payload, contentType);
  const close = async (): Promise<void> => {
    await parts.return();
    // Not awaited: the answer need not wait for it.
    void discard(payload);
  };
  try {
    let given: Pick<PushBody, 'config' | 'cases'> = {};
    let before: PartName | undefined;
    for (;;) {
      const step = await parts.next();
      if (step.done === true) throw refusal('model', 'there is no part "model": send the artifact as the last part');
      const part = checkOrder(step.value, before);
      before = part;
      if (part === 'model') return { ...given, model: toTheEnd(step.value, parts), close };
      if (part === 'config') {
        given = { config: parseModelConfig(parseJson(await collect(step.value, MAX_CONFIG_BYTES)), { name }) };
      } else given = { ...given, cases: checkCases(await collect(step.value, MAX_CASES_BYTES)) };
    }
  } catch (error) {
    await close();
    throw error;
  }
}

async function* toTheEnd(model: FormPart, parts: AsyncGenerator<FormPart, void>): AsyncGenerator<Uint8Array> {
  yield* model.body;
  const step = await parts.next();
  if (step.done !== true) checkOrder(step.value, 'model');
}

/** @throws SconceError `invalid_request` unless a part may come after `before`. */
function checkOrder({ name }: FormPart, before: PartName | undefined): PartName {
  const known = PARTS.find((part) => part === name);
  const order = 'the form takes "config" and "cases", both optional, then "model"';
  if (known === undefined) throw refusal(name.slice(0, 64), `part "${name.slice(0, 64)}" is unknown: ${order}`);
  if (known === before) throw refusal(known, `part "${known}" is there twice: ${order}`);
  if (before !== undefined && PARTS.indexOf(known) < PARTS.indexOf(before)) {
    throw refusal(known, `part "${known}" comes after "${before}": ${order}`);
  }
  return known;
}

async function collect({ name, body }: FormPart, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) {
      throw new SconceError('payload_too_large', `part "${name}" is larger than the ${maxBytes} bytes allowed`, {
        details: { param: name, max_bytes: maxBytes },
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch (error) {
    throw refusal('config', `part "config" is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Returns the bytes if they are a safetensors file with calls: the worker reads them long after the answer has gone out. */
function checkCases(bytes: Uint8Array): Uint8Array {
  try {
    const headerBytes = bytes.byteLength < 8 ? 0n : Buffer.from(bytes.buffer, bytes.byteOffset, 8).readBigUInt64LE();
    if (headerBytes > MAX_CASES_HEADER_BYTES && headerBytes <= bytes.byteLength) {
      throw refusal('cases', `its header has ${headerBytes} bytes; at most ${MAX_CASES_HEADER_BYTES} are taken`);
    }
    casesOf(decodeSafetensors(bytes));
    return bytes;
  } catch (error) {
    if (!(error instanceof SconceError)) throw error;
    const { hint } = error.details;
    const message = `part "cases": ${error.message}${typeof hint === 'string' ? ` ${hint}` : ''}`;
    throw new SconceError(error.code, message, { details: { ...error.details, param: 'cases' }, cause: error });
  }
}

function refusal(param: string, message: string): SconceError {
  return new SconceError('invalid_request', message, { details: { param } });
}
