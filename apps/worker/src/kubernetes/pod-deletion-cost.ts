import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import type { Logger } from '@sconce/telemetry';

/** Where Kubernetes mounts the token and the certificate authority of a pod's service account. */
const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
const SERVER = 'https://kubernetes.default.svc';
const CHECK_MS = 10_000;
const TIMEOUT_MS = 5_000;
/** How much a chunk adds to the cost, compared with a request: it takes seconds to score it again. */
const CHUNK_COST = 10;

/** The work in flight in this pod. */
export interface PodLoad {
  readonly requests: number;
  readonly chunks: number;
}

/** Sends a JSON merge patch; returns the HTTP status. */
export type SendPatch = (path: string, body: string) => Promise<number>;

/**
 * Keeps the annotation `controller.kubernetes.io/pod-deletion-cost` of this pod current, so that a scale-in removes idle pods first. If
 * the cluster refuses the first patch, no other is sent.
 *
 * States: *open* (patches the pod when its load has changed) → *closed*.
 */
export class PodDeletionCost {
  readonly #path: string;
  readonly #load: () => PodLoad;
  readonly #send: SendPatch;
  readonly #logger: Logger;
  readonly #timer: NodeJS.Timeout;
  #patched: number | undefined;

  constructor(options: {
    readonly pod: { readonly name: string; readonly namespace: string };
    readonly load: () => PodLoad;
    readonly logger: Logger;
    readonly send?: SendPatch;
    readonly checkMs?: number;
  }) {
    const { pod, load, logger, send = patchAsPod, checkMs = CHECK_MS } = options;
    this.#path = `/api/v1/namespaces/${encodeURIComponent(pod.namespace)}/pods/${encodeURIComponent(pod.name)}`;
    this.#load = load;
    this.#send = send;
    this.#logger = logger;
    this.#timer = setInterval(() => void this.#update(), checkMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #update(): Promise<void> {
    const { requests, chunks } = this.#load();
    const cost = requests + CHUNK_COST * chunks;
    if (cost === this.#patched) return;
    const annotations = { 'controller.kubernetes.io/pod-deletion-cost': String(cost) };
    try {
      const status = await this.#send(this.#path, JSON.stringify({ metadata: { annotations } }));
      if (status < 300) {
        this.#patched = cost;
        return;
      }
      if (status !== 401 && status !== 403 && status !== 404) return;
      this.close();
      this.#logger.warn(
        { status },
        'the pod may not patch its own deletion cost, so a scale-in may remove busy pods: grant its service account `patch` on ' +
          '`pods`, or unset SCONCE_POD_NAME',
      );
    } catch (error) {
      this.#logger.debug({ err: error }, 'the pod deletion cost was not updated, and is tried again');
    }
  }
}

async function patchAsPod(path: string, body: string): Promise<number> {
  // The token is replaced every hour, so it is read each time.
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
