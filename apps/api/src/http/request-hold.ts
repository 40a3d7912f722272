import type { ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ownerOf } from '../access/install-access.ts';
import { responseTo, watchTransfer } from './connection-watch.ts';
import type { HeldBytes, Hold } from './held-bytes.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Bounds what the requests of this process hold, also those of other protocols. */
    heldBytes: HeldBytes;
  }
}

/** A property of the request, as its trace is one: small requests never set it. */
const HOLD = 'sconceHold';

type HoldingRequest = FastifyRequest & { [HOLD]?: Hold | undefined };

/** Bounds what the requests of this server hold. Without the connection watch, nothing is counted. */
export function installHeldBytes(fastify: FastifyInstance, held: HeldBytes): void {
  fastify.decorate('heldBytes', held);
  fastify.decorateRequest(HOLD);
}

/** What a request holds. Undefined for the usual request, which holds little. */
export function holdOf(request: FastifyRequest): Hold | undefined {
  return (request as HoldingRequest)[HOLD];
}

/**
 * A request holds so many bytes from now until its answer is written or its caller has gone. Its body and its answer must be transferred in
 * ten transfer timeouts. @throws SconceError as `Hold.set` does.
 */
export function holdBytes(request: FastifyRequest, bytes: number): void {
  let hold = holdOf(request);
  if (hold === undefined) {
    hold = request.server.heldBytes.begin(ownerOf(request));
    const response = responseTo(request.raw);
    // Nobody would end what is held for a caller that has gone.
    if (response === undefined || response.closed || response.destroyed) return;
    (request as HoldingRequest)[HOLD] = hold;
    response.once('close', () => hold?.end());
  }
  hold.set(bytes);
  watchTransfer(request.raw, bytes);
}

/** Calls `free` when the whole answer has been given to the system. If its caller goes before, the garbage collector has to find out. */
export function onceWritten(response: ServerResponse, free: () => void): void {
  response.once('finish', free);
}
