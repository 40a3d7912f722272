import type { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { SconceError } from '@sconce/errors';
import { discard, isMultipart } from '../http/multipart-parts.ts';
import { readPushForm, type PushBody } from './push-form.ts';

/**
 * Reads a push of the model `name` up to the artifact, which stays a stream: it is the body itself, or the last part of a form.
 *
 * @throws SconceError as `readPushForm` does; `invalid_request` if there is no body.
 */
export async function readPushBody(request: FastifyRequest, name: string): Promise<PushBody> {
  if (request.body === undefined || request.body === null) {
    const message = 'The body must be the model file itself, or a multipart form with it as its part "model".';
    throw new SconceError('invalid_request', message);
  }
  const payload = request.body as Readable;
  const contentType = request.headers['content-type'];
  if (isMultipart(contentType)) return readPushForm(payload, { name, contentType });
  return {
    model: payload.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>,
    close: () => {
      // Not awaited: the answer does not depend on it.
      void discard(payload);
      return Promise.resolve();
    },
  };
}
