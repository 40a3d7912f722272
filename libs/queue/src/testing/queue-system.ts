import { Redis } from 'ioredis';
import type { Lane, WorkerReport } from '@sconce/contracts';
import type { Tensor } from '@sconce/tensor';
import { InferenceProducer } from '../producers/inference-producer.ts';
import type { InferenceRequest } from '../producers/inference-request.ts';
import type { RequestHandler } from '../consumers/request-consumer.ts';
import { Keys } from '../redis/keys.ts';
import { queueConfigSchema, type QueueConfig } from '../queue-config.ts';
import { openRequestConsumer, type OpenRequestConsumer } from './open-consumer.ts';

// For specs: producers and consumers of one installation over a real Redis.

/** What carries online requests: the pool's stream, or the online queue. */
export type Carrier = 'stream' | 'queue';
export const CARRIERS: readonly Carrier[] = ['stream', 'queue'];

/** A UINT8 tensor of one dimension. */
export const tensor = (bytes: number[], name = 'x'): Tensor => ({
  name,
  datatype: 'UINT8',
  shape: [bytes.length],
  data: new Uint8Array(bytes),
});

/** A request of model `m`, version 1. */
export const request = (inputs: Tensor[]): InferenceRequest => ({
  model: 'm',
  version: '1',
  pool: 'default',
  inputs,
  outputs: ['y'],
});

/** A deadline `ms` from now. */
export const soon = (ms = 10_000): { deadlineMs: number } => ({ deadlineMs: Date.now() + ms });

/** y = x + 1, byte by byte. */
export const increment: RequestHandler = async ({ inputs: [input] }) => {
  if (input === undefined) throw new Error('The request has no input.');
  return {
    outputs: [{ ...input, name: 'y', data: input.data.map((byte) => byte + 1) }],
    timing: { queueMs: 0, batchMs: 0, runMs: 0, batchRows: 1 },
  };
};

/** Starts producers and consumers, and closes all of them. */
export class QueueSystem {
  readonly #redis: { readonly url: string; readonly prefix: string };
  readonly #closers: (() => Promise<unknown>)[] = [];
  #systems = 0;

  constructor(redis: { readonly url: string; readonly prefix: string }) {
    this.#redis = redis;
  }

  /** Settings of a new installation, with keys of its own. */
  config(over: Partial<QueueConfig> = {}): QueueConfig {
    const { url: redisUrl, prefix } = this.#redis;
    return queueConfigSchema.parse({ redisUrl, keyPrefix: `${prefix}-${this.#systems++}`, ...over });
  }

  /**
   * As `config`, of an installation whose online requests go over the given carrier. They go over the online queue while the pool has a
   * worker of 0.1.
   */
  async configFor(carrier: Carrier, over: Partial<QueueConfig> = {}): Promise<QueueConfig> {
    const config = this.config(over);
    if (carrier === 'stream') return config;
    const redis = new Redis(config.redisUrl);
    const report: WorkerReport = { v: 1, atMs: Date.now(), rates: {}, slots: 2 };
    await redis.hset(new Keys(config.keyPrefix).poolRates('default'), 'worker-of-0.1', JSON.stringify(report));
    redis.disconnect();
    return config;
  }

  producer(config: QueueConfig): InferenceProducer {
    const producer = new InferenceProducer(config);
    this.onClose(() => producer.close());
    return producer;
  }

  /** @param givenUp ids of requests that are given up before the consumer takes any. */
  async consumer(
    config: QueueConfig,
    handle: RequestHandler,
    lane: Lane = 'online',
    givenUp: readonly string[] = [],
  ): Promise<OpenRequestConsumer> {
    const consumer = openRequestConsumer(config, { handle, lane });
    this.onClose(() => consumer.close(5_000));
    consumer.giveUp(givenUp);
    await consumer.ready();
    return consumer;
  }

  onClose(close: () => Promise<unknown>): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
  }
}
