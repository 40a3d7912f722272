import { randomUUID } from 'node:crypto';
import type { InferJob, Outcome, Reply } from '@sconce/contracts';
import { SconceError, deserializeError, toSconceError, type ErrorCode } from '@sconce/errors';
import { toQueuedRequest, type InferenceAnswer, type InferenceRequest } from './inference-request.ts';
import type { Keys } from '../redis/keys.ts';
import type { LaneProducer } from './lane-queues.ts';
import { packPayload } from '../messages/payload-store.ts';
import { onRedis } from '../redis/redis-connection.ts';
import type { RequestAdmission } from './request-admission.ts';
import { RequestCoalescer } from './request-coalescer.ts';

/** Tensors stay in Redis this much longer than their deadline, because clocks differ a little. */
const PAYLOAD_GRACE_SECONDS = 60;
/** While jobs are on their way, the next one gathers requests. More make jobs smaller, and a job costs as much as twenty requests (measured). */
const MAX_FRESH_JOBS = 2;
/** A few times the duration of a fast model's job. Threads of a slow model must not idle while requests gather. */
const FRESH_MS = 10;
const MAX_JOBS_IN_FLIGHT = 64;
const MAX_REQUESTS_PER_JOB = 64;
const MAX_BYTES_PER_JOB = 1024 ** 2;
interface Outstanding {
  readonly id: string;
  /** The request line that it waits or has waited in. */
  readonly line: string;
  readonly request: InferenceRequest;
  readonly acceptedAtMs: number;
  readonly deadlineMs: number;
  readonly bytes: number;
  readonly settle: (outcome: Outcome) => void;
}

/** A queue job with open answers, and how to add it again after Redis lost it. */
interface InFlightJob {
  readonly add: () => Promise<void>;
  readonly open: Set<string>;
  readonly freed: () => void;
}

export interface OnlineRequestsOptions {
  readonly queues: LaneProducer;
  readonly keys: Keys;
  /** Stream for the answers. */
  readonly replyStream: string;
  readonly admission: RequestAdmission;
  readonly onLateReply: () => void;
  /** Called with requests in flight whose callers have gone. */
  readonly onGivenUp: (requestIds: readonly string[]) => void;
}

/**
 * Requests whose callers wait. Each is *waiting* (in the coalescer), *in flight* (in a queue job) or *settled*: answered,
 * past its deadline, given up by its caller, or refused at `close`. It settles once. A later answer is a late reply.
 */
export class OnlineRequests {
  readonly #options: OnlineRequestsOptions;
  readonly #coalescer: RequestCoalescer<Outstanding>;
  readonly #outstanding = new Map<string, Outstanding>();
  readonly #inFlight = new Map<string, InFlightJob>();
  /** Request id → id of its queue job. */
  readonly #jobOf = new Map<string, string>();
  /** Requests given up in this turn of the event loop. */
  #givenUp: string[] = [];

  constructor(options: OnlineRequestsOptions) {
    this.#options = options;
    this.#coalescer = new RequestCoalescer({
      maxFreshJobs: MAX_FRESH_JOBS,
      freshMs: FRESH_MS,
      maxJobsInFlight: MAX_JOBS_IN_FLIGHT,
      maxRequestsPerJob: MAX_REQUESTS_PER_JOB,
      maxBytesPerJob: MAX_BYTES_PER_JOB,
      send: (_line, items) => this.#sendJob(items),
    });
  }

  /** See `InferenceProducer.infer`. */
  async infer(
    request: InferenceRequest,
    options: { deadlineMs: number; signal?: AbortSignal },
  ): Promise<InferenceAnswer> {
    const bytes = request.inputs.reduce((sum, input) => sum + input.data.byteLength, 0);
    const line = `${request.pool}/${request.model}/${request.version}`;
    const { admission, queues } = this.#options;
    const candidate = { line, owner: request.owner, bytes };
    admission.check(candidate, options.deadlineMs);
    await queues.admit(request.pool, 'online', bytes);
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const id = randomUUID();
    const acceptedAtMs = Date.now();
    const settle = (outcome: Outcome): void => {
      if (this.#outstanding.delete(id)) resolve(outcome);
    };
    const outstanding: Outstanding = { id, line, request, acceptedAtMs, deadlineMs: options.deadlineMs, bytes, settle };
    const giveUp = (error: SconceError): void => {
      if (!this.#coalescer.remove(line, outstanding) && this.#outstanding.has(id)) this.#giveUp(id);
      settle({ ok: false, error: error.toJSON() });
    };
    const timer = setTimeout(
      () => {
        giveUp(new SconceError('deadline_exceeded', "No answer came within the request's timeout."));
      },
      Math.max(0, options.deadlineMs - acceptedAtMs),
    );
    const onAbort = (): void => {
      giveUp(new SconceError('job_cancelled', 'The caller has gone.'));
    };
    this.#outstanding.set(id, outstanding);
    const admitted = admission.begin(candidate, acceptedAtMs);
    let code: ErrorCode | undefined;
    options.signal?.addEventListener('abort', onAbort, { once: true });
    if (options.signal?.aborted === true) onAbort();
    else this.#coalescer.add(line, outstanding);
    try {
      const outcome = await promise;
      if (outcome.ok) return outcome;
      code = outcome.error.code;
      throw deserializeError(outcome.error);
    } finally {
      admission.end(admitted, code);
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
      this.#leaveJob(id);
    }
  }

  /** An answer has come. */
  onReply(reply: Reply): void {
    const outstanding = this.#outstanding.get(reply.id);
    if (outstanding === undefined) {
      this.#options.onLateReply();
      return;
    }
    const { outcome } = reply;
    // By the clock of this process: the worker's may differ.
    if (outcome.ok) {
      this.#coalescer.noteWait(outstanding.line, Date.now() - outstanding.acceptedAtMs - outcome.timing.runMs);
    }
    outstanding.settle(outcome);
  }

  /** Adds every unanswered job again: after a reconnect, Redis may have lost some. */
  async addAgain(): Promise<void> {
    await Promise.all([...this.#inFlight.values()].map((job) => job.add()));
  }

  /** Refuses all requests that still wait. */
  refuseAll(error: SconceError): void {
    for (const outstanding of [...this.#outstanding.values()]) outstanding.settle({ ok: false, error: error.toJSON() });
  }

  #giveUp(id: string): void {
    this.#givenUp.push(id);
    if (this.#givenUp.length > 1) return;
    setImmediate(() => {
      const ids = this.#givenUp;
      this.#givenUp = [];
      this.#options.onGivenUp(ids);
    });
  }

  /** Sends one merged job. Resolves when each of its requests has been answered or given up. */
  #sendJob(items: readonly Outstanding[]): Promise<void> {
    const first = items[0];
    if (first === undefined) return Promise.resolve();
    const { queues, keys, replyStream } = this.#options;
    const id = randomUUID();
    const { model, version, pool } = first.request;
    const payload = packPayload(
      keys,
      id,
      items.flatMap((item) => item.request.inputs),
    );
    const data: InferJob = {
      v: 1,
      model,
      version,
      replyTo: replyStream,
      requests: items.map(({ id: requestId, request, acceptedAtMs, deadlineMs }) =>
        toQueuedRequest(requestId, request, { acceptedAtMs, deadlineMs, durable: false }),
      ),
      payload: payload.reference,
    };
    const latestMs = Math.max(...items.map((item) => item.deadlineMs));
    const ttlSeconds = Math.max(1, Math.ceil((latestMs - Date.now()) / 1_000)) + PAYLOAD_GRACE_SECONDS;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const add = (): Promise<void> => queues.add(pool, 'online', { id, data, payload, ttlSeconds });
    this.#inFlight.set(id, {
      add,
      open: new Set(items.map((item) => item.id)),
      freed: () => {
        resolve(undefined);
      },
    });
    for (const item of items) this.#jobOf.set(item.id, id);
    onRedis('accept the request', add).catch((error: unknown) => {
      const failure = toSconceError(error).toJSON();
      for (const item of items) item.settle({ ok: false, error: failure });
    });
    return promise;
  }

  /** A request has settled. The last request of a queue job lets the next job go. */
  #leaveJob(requestId: string): void {
    const jobId = this.#jobOf.get(requestId);
    if (jobId === undefined) return;
    this.#jobOf.delete(requestId);
    const job = this.#inFlight.get(jobId);
    job?.open.delete(requestId);
    if (job?.open.size !== 0) return;
    this.#inFlight.delete(jobId);
    job.freed();
  }
}
