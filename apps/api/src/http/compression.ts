import fastifyCompress from '@fastify/compress';
import type { FastifyInstance } from 'fastify';

/** Compressing a smaller answer costs more than sending it. */
const THRESHOLD_BYTES = 2_048;

/**
 * Routes whose answers are never compressed: answers with tensors, because compressing numbers costs more than the rest of a request, and
 * the two answers that the asynchronous tritonclient reads without decompressing them.
 */
const UNCOMPRESSED = /^\/v2\/models\/.*(infer|stats)$|^\/v1\/jobs\/:id\/result$|^\/v2\/repository\/index$/;

/** Compresses answers for callers that ask for it, and decompresses requests. `deflate` means zlib's framing. */
export async function installCompression(fastify: Pick<FastifyInstance, 'addHook' | 'register'>): Promise<void> {
  // Before the plugin, which reads this option of each route.
  fastify.addHook('onRoute', (route) => {
    if (UNCOMPRESSED.test(route.url)) route.compress = false;
  });
  await fastify.register(fastifyCompress, {
    encodings: ['gzip', 'deflate'],
    requestEncodings: ['gzip', 'deflate', 'identity'],
    threshold: THRESHOLD_BYTES,
    customTypes: /^application\/(json|octet-stream)(;|$)/,
  });
}
