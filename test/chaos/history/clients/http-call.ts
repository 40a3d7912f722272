import { request as send, type IncomingHttpHeaders } from 'node:http';
import type { Outcome } from '../events.ts';

export interface HttpRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** The client gives up after this time. */
  readonly giveUpMs: number;
}

export interface HttpAnswer {
  readonly outcome: Outcome;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  text(): string;
  /** The body as JSON; undefined if it is none. */
  json(): unknown;
}

/**
 * One call over a connection of its own, so that an idle connection that the server closes is never taken for an error. It never throws: a
 * connection that is refused or lost is the outcome `unreachable`.
 */
export function httpCall(
  url: string,
  { method = 'GET', headers = {}, body, giveUpMs }: HttpRequest,
): Promise<HttpAnswer> {
  return new Promise((resolve) => {
    const finish = (outcome: Outcome, answered: IncomingHttpHeaders = {}, bytes = Buffer.alloc(0)): void => {
      clearTimeout(timer);
      call.destroy();
      resolve({ outcome, headers: answered, body: bytes, text: () => bytes.toString(), json: () => parse(bytes) });
    };
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const call = send(url, { method, headers: { ...headers, ...length }, agent: false });
    const timer = setTimeout(() => finish('gave up'), giveUpMs);
    call.on('error', () => finish('unreachable'));
    call.on('response', (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', () => finish('unreachable'));
      response.on('end', () => finish(response.statusCode ?? 'unreachable', response.headers, Buffer.concat(parts)));
    });
    call.end(body);
  });
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}
