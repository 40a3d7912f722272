import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { ERROR_POLICY, SconceError, toSconceError } from '@sconce/errors';
import { readExportRequest, type SpanRecord } from './span-record.ts';
import { toJaegerTrace } from './stored-trace.ts';

/** Options of `startOtlpCollector`. */
export interface OtlpCollectorOptions {
  /** Loopback port. Default: any free one. */
  readonly port?: number;
  /** Most spans that are kept; the oldest are dropped first. Default 10 000. */
  readonly maxSpans?: number;
  /** Largest body, before and after decompression. Default 16 MiB. */
  readonly maxBodyBytes?: number;
}

/** A collector of traces in this process. `sconce demo` and `sconce up` show its traces, and tests read them. */
export interface OtlpCollector {
  /** The URL for exporters: `http://127.0.0.1:<port>/v1/traces`. */
  readonly url: string;
  readonly port: number;
  /** Base URL of a query service like Jaeger's: `http://127.0.0.1:<port>`. It answers `/api/traces/<id>`. */
  readonly queryUrl: string;
  /** The spans in the order of their arrival. */
  readonly spans: readonly SpanRecord[];
  /** Resolves with all spans when `predicate` holds for them. After `timeoutMs` it fails with the names of the received spans. */
  waitFor(predicate: (spans: readonly SpanRecord[]) => boolean, timeoutMs?: number): Promise<readonly SpanRecord[]>;
  clear(): void;
  stop(): Promise<void>;
}

const DEFAULT_MAX_SPANS = 10_000;
const DEFAULT_MAX_BODY_BYTES = 16 * 1024 * 1024;
const DEFAULT_WAIT_MS = 10_000;
const MAX_NAMES_IN_ERROR = 20;

const decompress = promisify(gunzip);

const TRACE_PATH = /^\/api\/traces\/([0-9a-f]{32})$/;

/**
 * Starts an OTLP/HTTP endpoint on loopback for JSON traces, plain or gzip. Requests that it cannot read get a 4xx answer. It also returns
 * the traces that it has, in Jaeger's JSON.
 */
export async function startOtlpCollector(options: OtlpCollectorOptions = {}): Promise<OtlpCollector> {
  const maxSpans = options.maxSpans ?? DEFAULT_MAX_SPANS;
  const maxBodyBytes = options.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES;
  const spans: SpanRecord[] = [];
  const waiting = new Set<() => void>();

  const receive = async (request: IncomingMessage): Promise<void> => {
    if (request.method !== 'POST' || request.url !== '/v1/traces') {
      throw new SconceError('not_found', 'this collector accepts only POST /v1/traces and GET /api/traces/ID');
    }
    if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
      throw new SconceError('unsupported_media_type', 'send application/json (protocol http/json)');
    }
    const received = readExportRequest(parseJson(await readBody(request, maxBodyBytes)));
    for (const span of received) spans.push(span);
    if (spans.length > maxSpans) spans.splice(0, spans.length - maxSpans);
    for (const check of waiting) check();
  };
  const handle = async (request: IncomingMessage): Promise<object> => {
    const traceId = request.method === 'GET' ? TRACE_PATH.exec(request.url ?? '')?.[1] : undefined;
    if (traceId === undefined) {
      await receive(request);
      return { partialSuccess: {} };
    }
    const own = spans.filter((span) => span.traceId === traceId);
    if (own.length === 0)
      throw new SconceError('not_found', 'the collector does not have this trace, or has dropped it');
    return toJaegerTrace(traceId, own);
  };
  const server = createServer((request, response) => {
    handle(request).then(
      (body) => answer(response, 200, body),
      (error: unknown) => {
        const { code, message } = toSconceError(error);
        // The rest of a refused body is not read, so the connection closes with the answer.
        response.setHeader('connection', 'close');
        answer(response, ERROR_POLICY[code].http, { code, message });
      },
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/v1/traces`,
    port,
    queryUrl: `http://127.0.0.1:${port}`,
    spans,
    waitFor: (predicate, timeoutMs = DEFAULT_WAIT_MS) =>
      new Promise((resolve, reject) => {
        const finish = (settle: () => void): void => {
          clearTimeout(timer);
          waiting.delete(check);
          settle();
        };
        const check = (): void => {
          try {
            if (predicate(spans)) finish(() => resolve([...spans]));
          } catch (error) {
            finish(() => reject(toSconceError(error)));
          }
        };
        const timer = setTimeout(() => finish(() => reject(spansMissing(spans, timeoutMs))), timeoutMs);
        waiting.add(check);
        check();
      }),
    clear: () => void spans.splice(0),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    parts.push(part);
  }
  const body = Buffer.concat(parts);
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding === 'identity') return body;
  if (encoding !== 'gzip') throw new SconceError('unsupported_media_type', `content-encoding ${encoding}: use gzip`);
  try {
    return await decompress(body, { maxOutputLength: maxBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxBytes);
    throw new SconceError('invalid_request', 'the body is not valid gzip', { cause: error });
  }
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new SconceError('invalid_request', 'the body is not valid JSON', { cause: error });
  }
}

function tooLarge(maxBytes: number): SconceError {
  return new SconceError('payload_too_large', `the body is larger than ${maxBytes} bytes: send smaller batches`);
}

function spansMissing(spans: readonly SpanRecord[], timeoutMs: number): SconceError {
  const names = spans.slice(-MAX_NAMES_IN_ERROR).map((span) => `${span.service}: ${span.name}`);
  return new SconceError(
    'deadline_exceeded',
    `the expected spans did not arrive within ${timeoutMs} ms; received ${spans.length}: ${names.join(', ') || 'none'}`,
  );
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
