import type { Readable } from 'node:stream';
import type { ModelConfig } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import { parseModelConfig } from '@sconce/models';
import { casesOf, decodeSafetensors } from '@sconce/tensor';
import { collectBytes } from '../http/collect-bytes.ts';
import { parseSmallJson } from '../http/bounded-json.ts';
import { invalidRequest } from '../http/invalid-request.ts';
import { discard, readParts, type FormPart } from '../http/multipart-parts.ts';

/** The parts of a push. Config and cases are checked before the artifact is read. */
export interface PushBody {
  readonly config?: ModelConfig;
  /** A safetensors file that holds calls. */
  readonly cases?: Uint8Array;
  /** The artifact. If other parts of a form follow it, the stream throws at its end. */
  readonly model: AsyncIterable<Uint8Array>;
  /** Reads and drops the unread rest of the request. Must be called in any case. */
  close(): Promise<void>;
}

/** The parts of the form, in the order that is required. */
const PARTS = ['config', 'cases', 'model'] as const;
type PartName = (typeof PARTS)[number];

export const MAX_CONFIG_BYTES = 256 * 1024;
export const MAX_CASES_BYTES = 32 * 1024 * 1024;
/** Enough for tens of thousands of tensors. Parsing it takes milliseconds of the event loop. */
const MAX_CASES_HEADER_BYTES = 1024 * 1024;

/**
 * Reads the form of a push of the model `name` up to the artifact, which stays a stream.
 *
 * @throws SconceError `invalid_request`, `invalid_tensor` or `payload_too_large` that names the part; errors of `readParts` and
 * `parseModelConfig`.
 */
export async function readPushForm(
  payload: Readable,
  { name, contentType }: { readonly name: string; readonly contentType: string },
): Promise<PushBody> {
  const parts = readParts(payload, contentType);
  const close = async (): Promise<void> => {
    await parts.return();
    // Not awaited: the answer does not depend on it.
    void discard(payload);
  };
  try {
    let given: Pick<PushBody, 'config' | 'cases'> = {};
    let before: PartName | undefined;
    for (;;) {
      const step = await parts.next();
      if (step.done === true)
        throw invalidRequest('model', 'there is no part "model": send the artifact as the last part');
      const part = checkOrder(step.value, before);
      before = part;
      if (part === 'model') return { ...given, model: toTheEnd(step.value, parts), close };
      if (part === 'config') {
        given = {
          config: parseModelConfig(parseSmallJson(await collect(step.value, MAX_CONFIG_BYTES), 'config'), { name }),
        };
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
  if (known === undefined) throw invalidRequest(name.slice(0, 64), `part "${name.slice(0, 64)}" is unknown: ${order}`);
  if (known === before) throw invalidRequest(known, `part "${known}" is there twice: ${order}`);
  if (before !== undefined && PARTS.indexOf(known) < PARTS.indexOf(before)) {
    throw invalidRequest(known, `part "${known}" comes after "${before}": ${order}`);
  }
  return known;
}

function collect({ name, body }: FormPart, maxBytes: number): Promise<Uint8Array> {
  const message = `part "${name}" is larger than the ${maxBytes} bytes allowed`;
  const details = { param: name, max_bytes: maxBytes };
  return collectBytes(body, { maxBytes, tooLarge: () => new SconceError('payload_too_large', message, { details }) });
}

/** Checks that the bytes are a safetensors file with calls, because the worker reads them long after the answer. Returns them. */
function checkCases(bytes: Uint8Array): Uint8Array {
  try {
    const headerBytes = bytes.byteLength < 8 ? 0n : Buffer.from(bytes.buffer, bytes.byteOffset, 8).readBigUInt64LE();
    if (headerBytes > MAX_CASES_HEADER_BYTES && headerBytes <= bytes.byteLength) {
      throw invalidRequest('cases', `its header has ${headerBytes} bytes; at most ${MAX_CASES_HEADER_BYTES} are taken`);
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
