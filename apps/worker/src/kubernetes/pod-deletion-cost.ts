import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import type { Logger } from '@sconce/telemetry';

/** Where Kubernetes mounts the token and the certificate authority of a pod's service account. */
const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
const SERVER = 'https://kubernetes.default.svc';
const LOOK_MS = 10_000;
const TIMEOUT_MS = 5_000;
/** How much dearer a pod is by a chunk than by a request: it takes seconds to do again. */
const CHUNK_COST = 10;

/** What this pod is doing now. */
export interface PodLoad {
  readonly requests: number;
  readonly chunks: number;
}

/** Sends a JSON merge patch; answers the status. */
export type SendPatch = (path: string, body: string) => Promise<number>;

/**
 * Keeps `controller.kubernetes.io/pod-deletion-cost` of this pod current, so that a scale-in takes away idle pods first. A cluster that does
 * not allow it is asked once and then left alone.
 *
 * States: *open* (says so whenever the load has changed) → *closed*.
 */
export class PodDeletionCost {
  readonly #path: string;
  readonly #load: () => PodLoad;
  readonly #send: SendPatch;
  readonly #logger: Logger;
  readonly #timer: NodeJS.Timeout;
  #said: number | undefined;

  constructor(options: {
    readonly pod: { readonly name: string; readonly namespace: string };
    readonly load: () => PodLoad;
    readonly logger: Logger;
    readonly send?: SendPatch;
    readonly lookMs?: number;
  }) {
    const { pod, load, logger, send = patchAsPod, lookMs = LOOK_MS } = options;
    this.#path = `/api/v1/namespaces/${encodeURIComponent(pod.namespace)}/pods/${encodeURIComponent(pod.name)}`;
    this.#load = load;
    this.#send = send;
    this.#logger = logger;
    this.#timer = setInterval(() => void this.#say(), lookMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #say(): Promise<void> {
    const { requests, chunks } = this.#load();
    const cost = requests + CHUNK_COST * chunks;
    if (cost === this.#said) return;
    const annotations = { 'controller.kubernetes.io/pod-deletion-cost': String(cost) };
    try {
      const status = await this.#send(this.#path, JSON.stringify({ metadata: { annotations } }));
      if (status < 300) {
        this.#said = cost;
        return;
      }
      if (status !== 401 && status !== 403 && status !== 404) return;
      this.close();
      this.#logger.warn({ status }, 'this pod may not say what its end would cost: scale-in does not prefer idle pods');
    } catch (error) {
      this.#logger.debug({ err: error }, 'pod deletion cost');
    }
  }
}

async function patchAsPod(path: string, body: string): Promise<number> {
  // Tokens are replaced every hour: read each time.
  const [token, ca] = await Promise.all([
    readFile(join(ACCOUNT, 'token'), 'utf8'),
    readFile(join(ACCOUNT, 'ca.crt'), 'utf8'),
  ]);
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token.trim()}`, 'content-type': 'application/merge-patch+json' };
    const sent = request(`${SERVER}${path}`, { method: 'PATCH', ca, headers, timeout: TIMEOUT_MS }, (response) => {
      response.resume();
      response.on('end', () => {
        resolve(response.statusCode ?? 0);
      });
    });
    sent.on('timeout', () => sent.destroy(new Error('the API server does not answer')));
    sent.on('error', reject);
    sent.end(body);
  });
}
