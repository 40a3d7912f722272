/** Is never called: routes have no schemas. */
function noCompiler(): never {
  throw new Error('a route has a schema, and this server compiles none');
}

/** The options of Fastify in every program that answers HTTP requests. */
export const FASTIFY_OPTIONS = {
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
