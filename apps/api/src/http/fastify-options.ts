import type { FastifyReply, FastifyRequest } from 'fastify';
import { SconceError } from '@sconce/errors';
import type { Logger } from '@sconce/telemetry';
import { answerBrokenRequest } from './broken-request.ts';
import { answerError } from './error-answer.ts';

/** Is never called: routes have no schemas. */
function noCompiler(): never {
  throw new Error('a route has a schema, and this server compiles none');
}

const OPTIONS = {
  // The body parser bounds requests, and the blob store bounds uploads.
  bodyLimit: Number.MAX_SAFE_INTEGER,
  keepAliveTimeout: 75_000,
  // Requests in flight finish. Idle connections do not delay a shutdown.
  forceCloseConnections: 'idle',
  // A request on a connection that was about to be closed is answered like any other.
  return503OnClosing: false,
  routerOptions: { ignoreTrailingSlash: true, maxParamLength: 300 },
  // Without these, Fastify loads and runs its compilers of schemas at the start: 8 MB (measured).
  schemaController: { compilersFactory: { buildValidator: () => noCompiler, buildSerializer: () => noCompiler } },
} as const;

/** The options of Fastify in every program that answers HTTP requests. */
export function fastifyOptions(logger: Logger): typeof OPTIONS & {
  readonly frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => void;
  readonly clientErrorHandler: typeof answerBrokenRequest;
} {
  return {
    ...OPTIONS,
    // Fastify calls it for paths that it cannot decode, and for parts of a path that are too long.
    frameworkErrors: (cause, request, reply) => {
      const { maxParamLength } = OPTIONS.routerOptions;
      const isLong = (cause as { readonly code?: string }).code === 'FST_ERR_MAX_PARAM_LENGTH';
      const why = isLong ? `expected at most ${maxParamLength} characters in a part` : 'expected percent-encoded UTF-8';
      const path = JSON.stringify(request.url.slice(0, maxParamLength));
      const message = `The path ${path} is not valid: ${why}.`;
      answerError({ request, reply, thrown: new SconceError('invalid_request', message, { cause }) }, logger);
    },
    clientErrorHandler: answerBrokenRequest,
  };
}
