import type { Lane } from '@sconce/contracts';
import { ChunkConsumer, type DeliveredChunk } from '../consumers/chunk-consumer.ts';
import type { JobConsumer } from '../consumers/job-consumer.ts';
import { QueueConsumer, type QueueConsumerOptions } from '../consumers/queue-consumer.ts';
import { RequestConsumer, type RequestHandler } from '../consumers/request-consumer.ts';
import type { QueueConfig } from '../queue-config.ts';
import { WorkerConnections } from '../redis/worker-connections.ts';
import { StreamConsumer } from '../streams/stream-consumer.ts';

// For specs: a queue consumer with connections of its own, as if it were the only one of its worker.

/** A queue consumer of a spec. `close` also closes its connections. */
export interface OpenConsumer {
  readonly queue: QueueConsumer;
  ready(): Promise<void>;
  close(graceMs: number): Promise<boolean>;
}

/** As `OpenConsumer`, of requests: those of the queue, and in the online lane those of the pool's stream. */
export interface OpenRequestConsumer extends OpenConsumer {
  readonly connections: WorkerConnections;
  /** See `RequestConsumer.giveUp`. */
  giveUp(requestIds: readonly string[]): void;
  /** See `RequestConsumer.cancel`. */
  cancel(requestId: string): void;
}

type OnError = (error: Error) => void;

function open(connections: WorkerConnections, options: QueueConsumerOptions): OpenConsumer {
  const queue = new QueueConsumer(connections, options);
  return {
    queue,
    ready: () => queue.ready(),
    close: async (graceMs) => {
      const ended = await queue.close(graceMs);
      await connections.close();
      return ended;
    },
  };
}

/** Consumes one of the shared queues. */
export function openConsumer(
  config: QueueConfig,
  queue: 'registration' | 'planner' | 'webhooks',
  consumer: JobConsumer,
  onError: OnError = () => undefined,
): OpenConsumer {
  return open(new WorkerConnections(config, onError), { queue, consumers: [consumer] });
}

/** Consumes one lane of the pool `default`, as a worker does. */
export function openRequestConsumer(
  config: QueueConfig,
  options: {
    readonly handle: RequestHandler;
    readonly handleChunk?: (delivered: DeliveredChunk) => Promise<void>;
    readonly lane?: Lane;
    readonly concurrency?: number;
    readonly hasRoom?: () => boolean;
    readonly onError?: OnError;
  },
): OpenRequestConsumer {
  const { handle, handleChunk, lane = 'online', concurrency = 8, hasRoom, onError = () => undefined } = options;
  const connections = new WorkerConnections(config, onError);
  const requests = new RequestConsumer(connections, { lane, handle });
  const consumers: JobConsumer[] = [requests];
  if (handleChunk !== undefined) {
    consumers.push(new ChunkConsumer({ handle: handleChunk, abandon: () => Promise.resolve() }));
  }
  const queue = { pool: 'default', lane };
  const opened = open(connections, { queue, consumers, concurrency, hasRoom, handsBackLateJobs: true });
  const cancel = (id: string): void => requests.cancel(id);
  if (lane === 'batch') return { ...opened, connections, cancel, giveUp: (ids) => requests.giveUp(ids) };
  const stream = new StreamConsumer(connections, { pool: 'default', handle, hasRoom: hasRoom ?? (() => true) });
  const started = stream.start();
  return {
    queue: opened.queue,
    connections,
    cancel,
    ready: async () => {
      await Promise.all([opened.ready(), started]);
    },
    close: async (graceMs) => {
      const ended = await stream.close(graceMs);
      return (await opened.close(graceMs)) && ended;
    },
    giveUp: (ids) => {
      requests.giveUp(ids);
      stream.giveUp(ids);
    },
  };
}
