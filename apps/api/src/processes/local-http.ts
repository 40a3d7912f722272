import { get, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';

/** An answer of another process on this machine. */
export interface LocalAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

const TIMEOUT_MS = 5_000;

/** Asks another process on this machine. Rejects if it does not answer in time. */
export async function askLocal(url: string, headers: OutgoingHttpHeaders = {}): Promise<LocalAnswer> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const asked = get(url, { headers, timeout: TIMEOUT_MS }, resolve);
    asked.once('error', reject);
    asked.once('timeout', () => asked.destroy(new Error(`${url} did not answer within ${TIMEOUT_MS} ms`)));
  });
  const { statusCode = 0, headers: own } = response;
  return { status: statusCode, contentType: own['content-type'] ?? '', body: await text(response) };
}

/** Answers a scrape with the metrics of all API processes. @param url address of their common metrics port. */
export async function relayMetrics(url: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { accept = '*/*' } = request.headers;
  const { status, contentType, body } = await askLocal(`${url}/metrics`, { accept });
  response.writeHead(status, { 'content-type': contentType, vary: 'accept' }).end(body);
}
