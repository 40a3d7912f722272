import type { FastifyInstance, FastifyReply } from 'fastify';

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether the server stops. Absent if it does not drain. */
    isDraining?: () => boolean;
  }
}

/** While `isDraining` returns true, a connection is closed after its answer and not kept for another request. */
export function installDraining(fastify: FastifyInstance, isDraining: () => boolean): void {
  fastify.decorate('isDraining', isDraining);
  fastify.addHook('onSend', (_request, reply, _payload, done) => {
    if (isDraining()) reply.header('connection', 'close');
    done();
  });
}

/** The headers of an answer that `onSend` hooks do not see, as `writeHead` takes them: those that were set on the reply, and `more`. */
export function headersOf(reply: FastifyReply, more: readonly string[]): string[] {
  const headers = [...more];
  const own = reply.getHeaders();
  for (const name in own) headers.push(name, String(own[name]));
  if (reply.server.isDraining?.() === true) headers.push('connection', 'close');
  return headers;
}
