import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { Webhook } from 'standardwebhooks';
import type { WebhookJob } from '@sconce/contracts';
import { toSconceError } from '@sconce/errors';
import { checkWebhookUrl, webhookBody, type WebhookOutcome } from '@sconce/queue';
import { pinnedTo, receiverAddresses, type ResolveHost } from './receiver-addresses.ts';

/** How long an attempt may take: resolving, connecting, sending and the answer. */
const TIMEOUT_MS = 10_000;
/** Most bytes of an answer's body that are read. They are not used. */
const MAX_ANSWER_BYTES = 16_384;
/** How long one address may take to connect before the next one is tried. */
const NEXT_ADDRESS_AFTER_MS = 2_000;

export interface WebhookDeliveryOptions {
  /** Whether receivers may be in a private network, and be reached without TLS. */
  readonly allowPrivate: boolean;
  /** This product's version, for the `user-agent`. */
  readonly version: string;
  /** For tests; default 10 s. */
  readonly timeoutMs?: number;
  /** For tests; default the system's resolver. */
  readonly resolve?: ResolveHost;
}

/**
 * Makes one attempt to deliver an event: a signed POST, as in Standard Webhooks and at OpenAI. A 2xx answer is a success, whatever happens
 * to its body. Redirects are not followed. Never throws.
 *
 * The caller who submitted the batch chooses the receiver's host. So the host is resolved once, every address is checked, and the
 * connection goes to a checked address, even if the name resolves to another address a moment later.
 */
export async function deliverWebhook(event: WebhookJob, options: WebhookDeliveryOptions): Promise<WebhookOutcome> {
  let request: SignedRequest;
  try {
    request = signedRequest(event, options);
  } catch (thrown) {
    // A wrong URL or secret stays wrong: no retry helps.
    return { delivered: false, permanent: true, reason: toSconceError(thrown).message };
  }
  const { url } = request;
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), timeoutMs);
  try {
    const addresses = await beforeAbort(receiverAddresses(url, options), late.signal);
    return outcomeOf(url, await post(request, addresses, late.signal));
  } catch (thrown) {
    const reason = late.signal.aborted ? `no answer within ${timeoutMs / 1_000} s` : reasonOf(thrown);
    return { delivered: false, permanent: false, reason: `${url.host}: ${reason}` };
  } finally {
    clearTimeout(timer);
  }
}

interface SignedRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Throws if the URL or the secret can't be used. */
function signedRequest(event: WebhookJob, { allowPrivate, version }: WebhookDeliveryOptions): SignedRequest {
  const url = checkWebhookUrl(event.url, { allowPrivate });
  const body = webhookBody(event);
  const now = new Date();
  const headers = {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    'user-agent': `sconce/${version}`,
    'webhook-id': event.eventId,
    'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
    'webhook-signature': new Webhook(event.secret).sign(event.eventId, now, body),
  };
  return { url, headers, body };
}

/** Sends the request and returns the HTTP status. */
function post(
  { url, headers, body }: SignedRequest,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const [send, Agent] = url.protocol === 'https:' ? [requestHttps, HttpsAgent] : [requestHttp, HttpAgent];
  const request = send(url, {
    method: 'POST',
    headers,
    signal,
    lookup: pinnedTo(addresses),
    // A new connection: a kept connection, or a proxy from the environment, could lead to an address that was not checked.
    agent: new Agent({ keepAlive: false, autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_AFTER_MS }),
  });
  let answered = false;
  const fail = (error: Error): void => {
    if (!answered) reject(error);
  };
  request.once('response', (response) => {
    answered = true;
    void dropBody(response).then(() => resolve(response.statusCode ?? 0));
  });
  // Not `once`: a connection may fail more than once, and after the answer too.
  request.on('error', fail);
  // After an answer of 101 there is only this event, without an error.
  request.once('close', () => fail(new Error('the connection was closed without an answer')));
  request.end(body);
  return promise;
}

/** Reads a part of the body, so that a receiver that is still writing is not interrupted. Then closes the connection. Never throws. */
async function dropBody(response: IncomingMessage): Promise<void> {
  let bytes = 0;
  try {
    for await (const chunk of response) {
      bytes += (chunk as Buffer).length;
      if (bytes >= MAX_ANSWER_BYTES) break;
    }
  } catch {
    // The status was received. The body is not needed.
  }
  response.destroy();
}

function outcomeOf({ host }: URL, status: number): WebhookOutcome {
  if (status >= 200 && status < 300) return { delivered: true, status };
  const failure = { delivered: false, status, permanent: status === 410 } as const;
  if (status === 410) return { ...failure, reason: `${host} answered 410: it wants no more of these` };
  const isRedirect = status >= 300 && status < 400;
  const hint = isRedirect ? '; redirects are not followed: submit the final URL of the receiver' : '';
  return { ...failure, reason: `${host} answered ${status}${hint}` };
}

/** Some of Node's errors have a code and no message, for instance if none of several addresses connects. */
function reasonOf(thrown: unknown): string {
  const { message, code } = thrown as { readonly message?: string; readonly code?: string };
  return message || code || 'the request failed';
}

/** Stops waiting when the signal is aborted. The system's resolver itself can't be stopped. */
async function beforeAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
