import { on } from 'node:events';
import type { Readable } from 'node:stream';
import { Busboy, type BusboyFileStream, type BusboyInstance } from '@fastify/busboy';
import { SconceError } from '@sconce/errors';

/** One part of a form; `body` has to be read to its end before the next part comes. */
export interface FormPart {
  /** Undefined where its headers give none. */
  readonly name: string | undefined;
  readonly body: AsyncIterable<Uint8Array>;
}

const MAX_HEADER_BYTES = 8 * 1024;
const MAX_HEADERS = 20;

/** Whether a request's body is a form of parts. */
export function isMultipart(contentType: string | undefined): contentType is string {
  return /^multipart\/form-data\s*(;|$)/i.test(contentType ?? '');
}

/**
 * The parts of a `multipart/form-data` body, one after another. The body is read as fast as the parts are, so a few chunks of
 * it are in memory at a time. Where the caller leaves early, the rest of the body is read and thrown away: a client that
 * sends all before it listens gets its answer.
 *
 * @throws SconceError `invalid_request` where the form is malformed or cut off; what `payload` throws, as it is.
 */
export async function* readParts(payload: Readable, contentType: string): AsyncGenerator<FormPart, void, undefined> {
  const form = openForm(contentType);
  const files: BusboyFileStream[] = [];
  let failure: unknown;
  let stopped = false;
  let release = (): void => undefined;

  const bodyOf = async function* (file: BusboyFileStream): AsyncGenerator<Uint8Array> {
    try {
      yield* file as AsyncIterable<Uint8Array>;
    } catch (error) {
      throw failure ?? malformed(error);
    }
  };
  const feed = async (): Promise<void> => {
    for await (const chunk of payload as AsyncIterable<Uint8Array>) {
      if (stopped) continue;
      const { promise: taken, resolve } = Promise.withResolvers<void>();
      release = resolve;
      form.write(chunk, () => {
        resolve();
      });
      await taken;
    }
    if (!stopped) form.end();
  };

  form.on('file', (_name, file) => {
    // Whoever reads it gets its errors; unheard ones would end the process.
    file.on('error', () => undefined);
    files.push(file);
  });
  const arriving = on(form, 'file', { close: ['finish'] }) as AsyncIterable<[string | undefined, BusboyFileStream]>;
  feed().catch((error: unknown) => {
    failure = error;
    for (const file of files) file.destroy(error instanceof Error ? error : new Error(String(error)));
    form.emit('error', error);
  });
  try {
    for await (const [name, file] of arriving) yield { name, body: bodyOf(file) };
  } catch (error) {
    throw failure ?? malformed(error);
  } finally {
    stopped = true;
    release();
    for (const file of files) file.destroy();
  }
}

function openForm(contentType: string): BusboyInstance {
  let form: BusboyInstance;
  try {
    form = new Busboy({
      headers: { 'content-type': contentType },
      isPartAFile: () => true,
      limits: { headerSize: MAX_HEADER_BYTES, headerPairs: MAX_HEADERS },
    });
  } catch (error) {
    throw malformed(error);
  }
  // Errors that come while nobody asks for the next part are kept and thrown then.
  form.on('error', () => undefined);
  return form;
}

function malformed(error: unknown): SconceError {
  const reason = error instanceof Error ? error.message : String(error);
  return new SconceError('invalid_request', `The multipart form can’t be read: ${reason}. Send it again, whole.`, {
    details: { param: 'content-type' },
    cause: error,
  });
}
