import type { RequestTiming } from '@sconce/contracts';
import { decodeInferResponse, encodeInferRequest, type InferAnswer, type InferCall } from '@sconce/tensor';
import type { Http } from './http.ts';

/** Where the time of a request went, ms, as the server measured it. */
export type ServerTiming = Omit<RequestTiming, 'batchRows'>;

export interface InferResult extends InferAnswer {
  readonly timing: ServerTiming;
}

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
  return { ...answer, timing: readTiming(response.headers.get('server-timing') ?? '') };
}

function readTiming(header: string): ServerTiming {
  const of = (name: string): number => Number(new RegExp(`\\b${name};dur=([\\d.]+)`).exec(header)?.[1] ?? 0);
  return { queueMs: of('queue'), batchMs: of('batch'), runMs: of('run') };
}
