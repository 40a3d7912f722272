import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';

const WAITING = Symbol('waiting');

type WaitingRequest = IncomingMessage & { [WAITING]?: ServerResponse };

/**
 * A caller that sends `Expect: 100-continue` sends its body when it is told to. It is told when the body is about to be read: a request that is
 * refused for its key, its route or its length is answered before its body is sent. The connection is closed then, because nobody knows
 * whether the body still comes.
 */
export function installExpectContinue({ server }: Pick<FastifyInstance, 'server'>): void {
  server.on('checkContinue', (request: WaitingRequest, response: ServerResponse) => {
    request[WAITING] = response;
    response.shouldKeepAlive = false;
    server.emit('request', request, response);
  });
}

/** Whether the caller waits to be told to send the body of a request. */
export function isWaiting({ raw }: FastifyRequest): boolean {
  return (raw as WaitingRequest)[WAITING] !== undefined;
}

/** Tells a caller that waits to send the body. */
export function askForBody({ raw }: FastifyRequest): void {
  const request = raw as WaitingRequest;
  const response = request[WAITING];
  if (response === undefined) return;
  request[WAITING] = undefined;
  response.shouldKeepAlive = true;
  response.writeContinue();
}
