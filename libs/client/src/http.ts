import { ERROR_POLICY, SconceError, type ErrorCode } from '@sconce/errors';

export interface HttpOptions {
  /** The API's address, e.g. `http://127.0.0.1:8000`. */
  readonly url: string;
  /** Sent with every request. Needed if the server requires keys. */
  readonly apiKey?: string | undefined;
  /** Replaces the global fetch. */
  readonly fetch?: typeof fetch;
}

/** Options of a request. */
export type RequestOptions = RequestInit;

/**
 * Options that fetch needs to send a stream. A stream cannot be sent again after a redirect. Without `redirect` and `window`, Node's
 * fetch keeps all sent bytes in memory for a redirect.
 */
const STREAM = { duplex: 'half', redirect: 'error', window: null } as const;

/** HTTP calls to the API. Every failure is thrown as a SconceError. */
export class Http {
  readonly url: string;
  readonly #fetch: typeof fetch;
  readonly #apiKey: string | undefined;

  constructor(options: HttpOptions) {
    this.url = options.url.replace(/\/+$/, '');
    this.#fetch = options.fetch ?? fetch;
    this.#apiKey = options.apiKey;
  }

  /** Returns a successful response. Throws the error that the server reported, or `server_unreachable`. */
  async request(path: string, init: RequestOptions = {}): Promise<Response> {
    let response: Response;
    try {
      response = await this.#fetch(`${this.url}${path}`, this.#initOf(init));
    } catch (cause) {
      if (init.signal?.aborted === true) throw cause;
      const message = `No Sconce server answers at ${this.url}${reasonOf(cause)}.`;
      throw new SconceError('server_unreachable', message, { details: { url: this.url }, cause });
    }
    if (response.ok) return response;
    throw errorOf(response, await this.text(response, init));
  }

  #initOf(init: RequestOptions): RequestInit {
    const own = init.body instanceof ReadableStream ? { ...init, ...STREAM } : init;
    if (this.#apiKey === undefined) return own;
    const headers = new Headers(init.headers);
    headers.set('authorization', `Bearer ${this.#apiKey}`);
    return { ...own, headers };
  }

  /** One call whose answer is JSON. Throws as `request` and `read`. */
  async json<T>(path: string, init: RequestOptions = {}): Promise<T> {
    return this.read<T>(await this.request(path, init), init);
  }

  /** One call whose answer is a stream. Throws as `request`. The stream throws `server_unreachable` if the connection ends before the answer. */
  async stream(path: string, init: RequestOptions = {}): Promise<ReadableStream<Uint8Array>> {
    const response = await this.request(path, init);
    const reader = (response.body ?? new Response(new Uint8Array(0)).body)?.getReader();
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        try {
          const step = await reader?.read();
          if (step === undefined || step.done) controller.close();
          else controller.enqueue(step.value);
        } catch (cause) {
          if (init.signal?.aborted === true) throw cause;
          const message = `The connection to ${this.url} ended within an answer${reasonOf(cause)}.`;
          throw new SconceError('server_unreachable', message, { details: { url: this.url }, cause });
        }
      },
      cancel: (reason) => reader?.cancel(reason),
    });
  }

  /** The body of a response as JSON. Throws `server_unreachable` if a server that is not Sconce answered. */
  async read<T>(response: Response, init: RequestOptions = {}): Promise<T> {
    const text = await this.text(response, init);
    const value = parse(text);
    if (value !== undefined) return value as T;
    const message = `What answers at ${this.url} is no Sconce server: it sent ${text.slice(0, 80) || 'nothing'}`;
    throw new SconceError('server_unreachable', message, { details: { url: this.url } });
  }

  /** The body of a response as text. Throws as `bytes`. */
  async text(response: Response, init: RequestOptions = {}): Promise<string> {
    return new TextDecoder().decode(await this.bytes(response, init));
  }

  /** The whole body of a response. Throws `server_unreachable` if the connection ends before it. */
  async bytes(response: Response, init: RequestOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    try {
      return new Uint8Array(await response.arrayBuffer());
    } catch (cause) {
      if (init.signal?.aborted === true) throw cause;
      const message = `The connection to ${this.url} ended within an answer${reasonOf(cause)}.`;
      throw new SconceError('server_unreachable', message, { details: { url: this.url }, cause });
    }
  }
}

/** The error code of Node for a failed fetch, such as ` (ECONNREFUSED)`. */
function reasonOf(thrown: unknown): string {
  const inner = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown;
  const code: unknown = inner instanceof Error && 'code' in inner ? inner.code : undefined;
  return typeof code === 'string' ? ` (${code})` : '';
}

const CODE_BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'invalid_request',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  413: 'payload_too_large',
  415: 'unsupported_media_type',
  422: 'model_invalid',
  429: 'queue_full',
  501: 'unsupported',
  503: 'model_not_ready',
  504: 'deadline_exceeded',
};

/** The error in a failed response. The body of `/v1` has the code; for `/v2` the code is found by the status. */
function errorOf(response: Response, text: string): SconceError {
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
