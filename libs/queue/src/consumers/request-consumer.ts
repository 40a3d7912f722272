import type { Redis } from 'ioredis';
import {
  inferJobSchema,
  type InferJob,
  type Lane,
  type Outcome,
  type QueuedRequest,
  type RequestTiming,
} from '@sconce/contracts';
import { SconceError, toSconceError } from '@sconce/errors';
import type { BlobStore } from '@sconce/storage';
import type { Tensor } from '@sconce/tensor';
import { dropPayload, readPayload } from '../messages/payload-store.ts';
import { ReplyWriter } from '../messages/reply-channel.ts';
import { JobRecords } from '../records/job-records.ts';
import type { ConnectionCount } from '../redis/connection-count.ts';
import { onRedis } from '../redis/redis-connection.ts';
import type { WorkerConnections } from '../redis/worker-connections.ts';
import { isOutage, isRetried, type Confirm, type Delivery, type JobConsumer } from './job-consumer.ts';

/** Given-up requests that a worker remembers until their jobs are delivered to it. */
const MAX_GIVEN_UP = 10_000;

/** A request as a worker gets it. */
export interface DeliveredRequest {
  readonly model: string;
  readonly version: string;
  readonly lane: Lane;
  /** Owner of the caller's key, if known. */
  readonly owner?: string;
  readonly request: QueuedRequest;
  readonly inputs: readonly Tensor[];
  /** Epoch ms at which its entry was added to the stream; undefined for a queue job. */
  readonly addedAtMs?: number;
  /** Epoch ms at which the job was taken from the queue. */
  readonly takenAtMs: number;
  /** 1 for the first delivery. */
  readonly delivery: number;
  /** A worker ended while it had this request. Default: false. */
  readonly suspect?: boolean;
  /** Requests in the same job. */
  readonly jobRequests: number;
  /** Aborted when the request is cancelled or given up. Only this is asked of it, so an `AbortSignal` will do. */
  readonly signal: { readonly aborted: boolean };
}

/** How a durable request of a job ended. */
interface DurableEnd {
  readonly id: string;
  readonly outcome: Outcome;
  /** Number of the connection when the end was about to be written. */
  connection: number;
}

/** One request of a job. */
interface RunOptions {
  readonly job: InferJob;
  readonly request: QueuedRequest;
  readonly inputs: readonly Tensor[];
  readonly delivery: Delivery;
  /** Gets the end of the request, if it is durable. */
  readonly ends: DurableEnd[];
}

/** Runs one request. An error that it throws is the request's answer, or has it delivered again when the error's policy says so. */
export type RequestHandler = (
  delivered: DeliveredRequest,
) => Promise<{ outputs: readonly Tensor[]; timing: RequestTiming }>;

export interface RequestConsumerOptions {
  readonly lane: Lane;
  readonly handle: RequestHandler;
  /** Where large results of jobs go. */
  readonly store?: BlobStore;
}

/**
 * Consumes the jobs of one lane that hold requests: has each request handled, and answers it over the reply stream, in the
 * job record, or both.
 *
 * A request is answered before its job is completed. When the worker dies in between, there is a second answer, which
 * producers and records ignore.
 */
export class RequestConsumer implements JobConsumer<InferJob> {
  readonly jobName = 'infer';
  readonly schema = inferJobSchema;
  readonly #lane: Lane;
  readonly #handle: RequestHandler;
  readonly #redis: Redis;
  readonly #count: ConnectionCount;
  readonly #records: JobRecords;
  readonly #replies: ReplyWriter;
  /** Of the requests being handled. */
  readonly #aborts = new Map<string, AbortController>();
  /** Given-up requests that are not here yet, oldest first. */
  readonly #givenUp = new Set<string>();

  constructor(connections: WorkerConnections, options: RequestConsumerOptions) {
    const { patient: redis, keys, config, count } = connections;
    this.#lane = options.lane;
    this.#handle = options.handle;
    this.#redis = redis;
    this.#count = count;
    this.#records = new JobRecords({ redis, keys, config, store: options.store });
    this.#replies = new ReplyWriter(redis);
  }

  /** Ids of the requests that are being handled. */
  get handled(): Iterable<string> {
    return this.#aborts.keys();
  }

  /** Aborts a request that is being handled. */
  cancel(requestId: string): void {
    this.#aborts.get(requestId)?.abort();
  }

  /** The callers of these requests have gone: requests being handled are aborted, later ones are not run. */
  giveUp(requestIds: readonly string[]): void {
    for (const id of requestIds) {
      const abort = this.#aborts.get(id);
      if (abort === undefined) this.#givenUp.add(id);
      else abort.abort();
    }
    for (const id of this.#givenUp) {
      if (this.#givenUp.size <= MAX_GIVEN_UP) break;
      this.#givenUp.delete(id);
    }
  }

  async consume(job: InferJob, delivery: Delivery): Promise<Confirm | void> {
    let tensors: readonly Tensor[];
    try {
      tensors = await onRedis('read the inputs', () => readPayload(this.#redis, job.payload));
    } catch (thrown) {
      const error = toSconceError(thrown);
      if (isOutage(error)) throw error;
      await this.fail(job, error);
      return undefined;
    }
    // By then the requests have been handed to the batcher, when their model is known.
    delivery.started();
    let next = 0;
    const retried: SconceError[] = [];
    const ends: DurableEnd[] = [];
    await onRedis('store the answers', () =>
      Promise.all(
        job.requests.map(async (request) => {
          const inputs = tensors.slice(next, next + request.inputs);
          next += request.inputs;
          const error = await this.#run({ job, request, inputs, delivery, ends });
          if (error !== undefined) retried.push(error);
        }),
      ),
    );
    // The queue delivers the job again. Requests in it that are answered already ignore their second answer.
    if (retried[0] !== undefined) throw retried[0];
    if (ends.length === 0) {
      await dropPayload(this.#redis, job.payload);
      return undefined;
    }
    // A delivery that has to write the end needs the inputs.
    await this.#endAgain(ends);
    await dropPayload(this.#redis, job.payload);
    return () => this.#endAgain(ends);
  }

  /** Writes the ends of durable requests again that a failover may have lost. A final state does not change. */
  async #endAgain(ends: readonly DurableEnd[]): Promise<void> {
    const lost = ends.filter(({ connection }) => connection !== this.#count.value);
    await Promise.all(
      lost.map(async (end) => {
        const connection = this.#count.value;
        await this.#records.finish(end.id, end.outcome);
        end.connection = connection;
      }),
    );
  }

  /** Answers every request of the job with the error. */
  async fail(job: InferJob, error: SconceError): Promise<void> {
    const outcome: Outcome = { ok: false, error: error.toJSON() };
    await Promise.all(job.requests.map((request) => this.#answer(job, request, outcome)));
    await dropPayload(this.#redis, job.payload);
  }

  postpones(error: SconceError): boolean {
    return isOutage(error);
  }

  async abandon(job: InferJob, error: SconceError): Promise<void> {
    await this.fail(job, error);
  }

  /** Handles and answers one request. Returns the error when the request has to be delivered again. */
  async #run({ job, request, inputs, delivery: given, ends }: RunOptions): Promise<SconceError | undefined> {
    const { takenAtMs, delivery, workersLost } = given;
    if (this.#givenUp.delete(request.id)) return undefined;
    const abort = new AbortController();
    this.#aborts.set(request.id, abort);
    if (request.durable) {
      if (!(await this.#records.start(request.id))) {
        this.#aborts.delete(request.id);
        return undefined;
      }
    }
    let outcome: Outcome;
    try {
      if (request.deadlineMs !== undefined && Date.now() > request.deadlineMs) {
        throw new SconceError('deadline_exceeded', 'The request waited in the queue past its timeout.');
      }
      const { outputs, timing } = await this.#handle({
        model: job.model,
        version: job.version,
        lane: this.#lane,
        request,
        inputs,
        signal: abort.signal,
        jobRequests: job.requests.length,
        takenAtMs,
        delivery,
        suspect: workersLost > 0,
      });
      outcome = { ok: true, outputs, timing };
    } catch (thrown) {
      const error = toSconceError(thrown);
      if (isRetried(error, delivery)) return error;
      outcome = { ok: false, error: error.toJSON() };
    } finally {
      this.#aborts.delete(request.id);
    }
    // What Redis does not take is no fault of the request: the job is delivered again.
    const connection = this.#count.value;
    await this.#answer(job, request, outcome);
    if (request.durable) ends.push({ id: request.id, outcome, connection });
    return undefined;
  }

  async #answer(job: InferJob, request: QueuedRequest, outcome: Outcome): Promise<void> {
    if (request.durable) await this.#records.finish(request.id, outcome);
    if (job.replyTo !== undefined) await this.#replies.write(job.replyTo, { id: request.id, outcome });
  }
}
