import { randomUUID } from 'node:crypto';
import { SconceError } from '@sconce/errors';
import type { Tensor } from '@sconce/tensor';
import { promiseAnswer, waitForAnswer, type BeginOptions } from '../producers/inference-port.ts';
import type { InferenceAnswer, InferenceRequest } from '../producers/inference-request.ts';
import { queueConfigSchema } from '../queue-config.ts';
import { Keys } from '../redis/keys.ts';
import { WorkerConnections } from '../redis/worker-connections.ts';
import { RequestAdmission } from '../producers/request-admission.ts';
import { ReplyStreamReader } from '../streams/reply-stream-reader.ts';
import { RespClient } from '../streams/resp-client.ts';
import { StreamConsumer, type StreamConsumerOptions } from '../streams/stream-consumer.ts';
import { StreamRequests } from '../streams/stream-requests.ts';
import { increment, request as requestOf, tensor } from './queue-system.ts';

// For specs: producers and consumers of a pool's stream over a real Redis.

/** The keys and the Redis of one installation. */
export interface Installation {
  readonly keys: Keys;
  readonly redisUrl: string;
}

/** The requests of a producer, and how many of them have no answer. */
export interface StreamProducer {
  infer(request: InferenceRequest, options: BeginOptions & { readonly signal?: AbortSignal }): Promise<InferenceAnswer>;
  readonly size: number;
}

/** A request of one byte for model `m`. */
export function request(value: number, over: Partial<InferenceRequest> = {}): InferenceRequest {
  return { ...requestOf([tensor([value])]), ...over };
}

/** The only byte of an answer. */
export const valueOf = ({ outputs }: { readonly outputs: readonly Tensor[] }): number | undefined =>
  outputs[0]?.data[0];

/** Starts producers, consumers and connections, and closes all of them. */
export class StreamSystem {
  readonly #redis: { readonly url: string; readonly prefix: string };
  readonly #closers: (() => unknown)[] = [];

  constructor(redis: { readonly url: string; readonly prefix: string }) {
    this.#redis = redis;
  }

  /** An installation with keys of its own. */
  installation(redisUrl = this.#redis.url): Installation {
    return { keys: new Keys(`${this.#redis.prefix}-${randomUUID()}`), redisUrl };
  }

  /** @param threads that the producer believes the pool to have. */
  producer({ keys, redisUrl }: Installation, threads = 2): StreamProducer {
    const replyStream = keys.replies(randomUUID());
    const ignore = (): void => undefined;
    const redis = new RespClient({
      url: redisUrl,
      name: 'producer',
      onError: ignore,
      onReady: (again) => {
        if (again) requests.addAgain().catch(ignore);
      },
    });
    const admission = new RequestAdmission({ maxOutstanding: 1_000, maxOutstandingBytes: 1e8 });
    const requests: StreamRequests = new StreamRequests({
      redis,
      keys,
      replyStream,
      admission,
      usage: { begin: () => ignore },
      threadsOf: () => threads,
      admit: ignore,
      onLateReply: ignore,
      onGivenUp: ignore,
    });
    const onReplies = (replies: Parameters<StreamRequests['onReplies']>[0]): void => requests.onReplies(replies);
    const reader = new ReplyStreamReader({ redisUrl, stream: replyStream, onReplies, onError: ignore });
    reader.start();
    this.onClose(async () => {
      requests.refuseAll(new SconceError('shutting_down', 'closed'));
      await reader.stop();
      redis.close();
    });
    return {
      infer: (own, { signal, ...options }) => waitForAnswer(promiseAnswer(requests, own, options), signal),
      get size() {
        return admission.outstanding;
      },
    };
  }

  async consumer(
    { keys, redisUrl }: Installation,
    options: Partial<StreamConsumerOptions> = {},
    onError: (error: Error) => void = () => undefined,
  ): Promise<StreamConsumer> {
    const config = queueConfigSchema.parse({ redisUrl, keyPrefix: keys.prefix });
    const connections = new WorkerConnections(config, onError);
    const consumer = new StreamConsumer(connections, {
      pool: 'default',
      handle: increment,
      hasRoom: () => true,
      ...options,
    });
    this.onClose(async () => {
      await consumer.close(2_000);
      await connections.close();
    });
    await consumer.start();
    return consumer;
  }

  /** A connection of the spec's own. */
  redis({ redisUrl }: Installation): RespClient {
    const client = new RespClient({ url: redisUrl, name: 'spec', onError: () => undefined });
    this.onClose(() => client.close());
    return client;
  }

  onClose(close: () => unknown): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
  }
}
