import type { FastifyInstance, HTTPMethods } from 'fastify';
import { SconceError } from '@sconce/errors';
import type { JobInference } from '../inference/infer.route.ts';

const ANY: HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
const STACK = 'an API with a worker and Redis (`sconce up`, docs/deploy.md)';

/** Why models cannot be changed. */
export const MODELS_ARE_FIXED = `\`sconce serve\` serves the files that it was started with: start it again with other files, or use ${STACK}.`;

/** What this process does not do, by route: why, and what to use instead. */
const REFUSED: readonly { readonly methods: HTTPMethods[]; readonly urls: readonly string[]; readonly why: string }[] =
  [
    {
      methods: ANY,
      urls: ['/v1/jobs', '/v1/jobs/*'],
      why: `\`sconce serve\` keeps no jobs: send the request to /v2/models/{model}/infer and wait for its answer, or use ${STACK}.`,
    },
    {
      methods: ANY,
      urls: ['/v1/batches', '/v1/batches/*', '/v1/files', '/v1/files/*'],
      why: `\`sconce serve\` keeps no files and scores no batches: send rows to /v2/models/{model}/infer, or use ${STACK}.`,
    },
    {
      methods: ['POST', 'PUT', 'PATCH', 'DELETE'],
      urls: ['/v1/models/*', '/v2/repository/models/*'],
      why: MODELS_ARE_FIXED,
    },
  ];

/** Answers 501 on the routes of asynchronous work and of changes to models. */
export function installRefusedRoutes(fastify: FastifyInstance): void {
  for (const { methods, urls, why } of REFUSED) {
    for (const url of urls) {
      fastify.route({
        method: methods,
        url,
        handler: () => {
          throw new SconceError('unsupported', why);
        },
      });
    }
  }
}

/** Refuses infer requests that would become jobs. */
export const DURABLE_REQUESTS: JobInference = {
  submit: () => Promise.reject(refusedHeader('Prefer')),
  inferOnce: () => Promise.reject(refusedHeader('Idempotency-Key')),
};

function refusedHeader(header: 'Prefer' | 'Idempotency-Key'): SconceError {
  const why =
    header === 'Prefer'
      ? 'keeps no jobs, so it cannot answer later (Prefer: respond-async): leave the header out and wait for the answer'
      : 'remembers no requests, so it cannot answer a repeated one from memory (Idempotency-Key): leave the header out';
  return new SconceError('unsupported', `\`sconce serve\` ${why}, or use ${STACK}.`, { details: { param: header } });
}
