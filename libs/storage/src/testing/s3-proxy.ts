import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

/** The action of the proxy for one request. */
export type S3Fault =
  /** Forwards the request and its answer. */
  | 'pass'
  /** Forwards the request, and closes the connection instead of an answer. */
  | 'lose-answer'
  /** Does not forward the request and does not answer. */
  | 'hang'
  /** Forwards this many bytes of the answer's body, then closes the connection. */
  | { readonly breakAfterBytes: number }
  /** Answers with an S3 error and does not forward the request. */
  | { readonly status: number; readonly code: string };

/** An HTTP proxy in front of an S3 server that makes a fault at a chosen request. */
export interface S3Proxy {
  readonly endpoint: string;
  /** All requests until now: method, path and query. */
  readonly requests: readonly string[];
  /** Sets the function that decides on each request from now on. At first it is `'pass'`. */
  decide(decision: (request: string) => S3Fault): void;
  close(): Promise<void>;
}

/** Starts a proxy on a free loopback port, for the server at `target` (`http://127.0.0.1:<port>`). */
export async function startS3Proxy(target: string): Promise<S3Proxy> {
  const requests: string[] = [];
  let decision: (request: string) => S3Fault = () => 'pass';
  const server = createServer((incoming, outgoing) => {
    const line = `${incoming.method} ${incoming.url}`;
    requests.push(line);
    handle(target, incoming, outgoing, decision(line));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    decide: (next) => {
      decision = next;
    },
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function handle(target: string, incoming: IncomingMessage, outgoing: ServerResponse, fault: S3Fault): void {
  const drop = (): void => void incoming.socket.destroy();
  if (fault === 'hang') return;
  if (typeof fault === 'object' && 'status' in fault) {
    incoming.resume().on('end', () => {
      outgoing.writeHead(fault.status, { 'content-type': 'application/xml' });
      outgoing.end(`<Error><Code>${fault.code}</Code><Message>made by the proxy</Message></Error>`);
    });
    return;
  }
  const { method, url, headers } = incoming;
  const forwarded = request(new URL(url ?? '/', target), { method, headers, agent: false }, (answer) => {
    if (fault === 'lose-answer') {
      answer.resume().on('end', drop);
      return;
    }
    outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
    if (fault === 'pass') {
      answer.pipe(outgoing);
      return;
    }
    let left = fault.breakAfterBytes;
    answer.on('data', (chunk: Buffer) => {
      const piece = chunk.subarray(0, left);
      left -= piece.length;
      outgoing.write(piece, () => {
        if (left === 0) drop();
      });
      if (left === 0) answer.destroy();
    });
    answer.on('end', () => outgoing.end());
  });
  forwarded.on('error', drop);
  incoming.on('error', () => forwarded.destroy());
  incoming.pipe(forwarded);
}
