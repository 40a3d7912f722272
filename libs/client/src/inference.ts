import type { RequestTiming } from '@sconce/contracts';
import { decodeInferResponse, encodeInferRequest, type InferAnswer, type InferCall } from '@sconce/tensor';
import type { Http } from './http.ts';

/** Where the time of a request went, ms, as the server measured it. */
export type ServerTiming = Omit<RequestTiming, 'batchRows'>;

export interface InferResult extends InferAnswer {
  readonly timing: ServerTiming;
  /** The trace of the request, 32 hexadecimal digits, if the server records one. */
  readonly traceId?: string;
}

/** A `traceparent` of W3C Trace Context whose flags say that the trace is recorded. */
const RECORDED_TRACE = /^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f][13579bdf]$/;

/** Sends one Open Inference Protocol request and reads its answer. */
export async function postInference(
  http: Http,
  path: string,
  call: InferCall,
  options: { headers?: Readonly<Record<string, string>>; signal?: AbortSignal } = {},
): Promise<Response> {
  const { body, headerLength, contentType } = encodeInferRequest(call);
  return http.request(path, {
    method: 'POST',
    headers: {
      'content-type': contentType,
      ...(headerLength === undefined ? {} : { 'inference-header-content-length': String(headerLength) }),
      ...options.headers,
    },
    body,
    signal: options.signal,
  });
}

/** Reads an infer answer with its timing. */
export async function readInference(http: Http, response: Response, signal?: AbortSignal): Promise<InferResult> {
  const length = response.headers.get('inference-header-content-length');
  const answer = decodeInferResponse(
    await http.bytes(response, { signal }),
    length === null ? undefined : Number(length),
  );
  const timing = readTiming(response.headers.get('server-timing') ?? '');
  const traceId = RECORDED_TRACE.exec(response.headers.get('traceparent') ?? '')?.[1];
  return traceId === undefined ? { ...answer, timing } : { ...answer, timing, traceId };
}

function readTiming(header: string): ServerTiming {
  const of = (name: string): number => Number(new RegExp(`\\b${name};dur=([\\d.]+)`).exec(header)?.[1] ?? 0);
  return { queueMs: of('queue'), batchMs: of('batch'), runMs: of('run') };
}
