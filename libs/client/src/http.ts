import { ERROR_POLICY, SconceError, type ErrorCode } from '@sconce/errors';

export interface HttpOptions {
  /** The API's address, e.g. `http://127.0.0.1:8000`. */
  readonly url: string;
  /** Replaces the global fetch. */
  readonly fetch?: typeof fetch;
}

/** What a call may add to a request. */
export type RequestOptions = RequestInit & { readonly duplex?: 'half' };

/** One HTTP call to the API: its failures come out as SconceError. */
export class Http {
  readonly url: string;
  readonly #fetch: typeof fetch;

  constructor(options: HttpOptions) {
    this.url = options.url.replace(/\/+$/, '');
    this.#fetch = options.fetch ?? fetch;
  }

  /** Answers a successful response; throws the error the server reported, or `server_unreachable`. */
  async request(path: string, init: RequestOptions = {}): Promise<Response> {
    let response: Response;
    try {
      response = await this.#fetch(`${this.url}${path}`, init as RequestInit);
    } catch (cause) {
      if (init.signal?.aborted === true) throw cause;
      throw new SconceError('server_unreachable', `No Sconce server answers at ${this.url}.`, { cause });
    }
    if (response.ok) return response;
    throw await errorOf(response);
  }

  async json<T>(path: string, init: RequestOptions = {}): Promise<T> {
    return (await (await this.request(path, init)).json()) as T;
  }
}

const CODE_BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'invalid_request',
  404: 'not_found',
  413: 'payload_too_large',
  415: 'unsupported_media_type',
  422: 'model_invalid',
  429: 'queue_full',
  501: 'unsupported',
  503: 'model_not_ready',
  504: 'deadline_exceeded',
};

/** The error in a refused response: `/v1` has its code in the body, `/v2` only text, so the status stands for it. */
async function errorOf(response: Response): Promise<SconceError> {
  const text = await response.text();
  const retryAfter = Number(response.headers.get('retry-after') ?? NaN);
  const details = {
    status: response.status,
    ...(Number.isFinite(retryAfter) ? { retryAfterSeconds: retryAfter } : {}),
  };
  const fallback = CODE_BY_STATUS[response.status] ?? 'internal';
  const { error } = (parse(text) ?? {}) as { error?: unknown };
  if (typeof error === 'string') return new SconceError(fallback, error, { details });
  const { message, code, param } = (error ?? {}) as { message?: unknown; code?: unknown; param?: unknown };
  const known = typeof code === 'string' && Object.hasOwn(ERROR_POLICY, code) ? (code as ErrorCode) : fallback;
  return new SconceError(
    known,
    typeof message === 'string' ? message : `The server answered ${response.status}: ${text.slice(0, 200)}`,
    { details: { ...details, ...(typeof param === 'string' ? { param } : {}) } },
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
