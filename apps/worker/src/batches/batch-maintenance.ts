import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { BlobStore } from '@sconce/storage';
import { BatchWork, type Removal } from '@sconce/queue';
import type { Logger } from '@sconce/telemetry';
import type { WorkerConfig } from '../config.ts';
import { BLOB_STORE, CONFIG, LOGGER } from '../tokens.ts';
import { ChunkProcessor } from './chunk.processor.ts';
import type { FileParts } from '@sconce/datasets';

const ANNOUNCE_SLOTS_MS = 5_000;
const ADD_PLANNERS_MS = 10_000;
const REMOVE_CONTENT_MS = 60_000;
const REMOVALS_AT_ONCE = 100;
const MAX_LIST_BYTES = 256 * 1024 ** 2;

/** Regular work for batches. Every worker does it; doing it twice does no harm. */
@Injectable()
export class BatchMaintenance {
  readonly #id = randomUUID();
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(
    @Inject(CONFIG) private readonly config: WorkerConfig,
    @Inject(BatchWork) private readonly work: BatchWork,
    @Inject(ChunkProcessor) private readonly chunks: ChunkProcessor,
    @Inject(BLOB_STORE) private readonly store: BlobStore,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  start(): void {
    const slots = { id: this.#id, slots: this.chunks.slots };
    this.#every(ANNOUNCE_SLOTS_MS, () => this.work.announceSlots(this.config.pool, slots));
    this.#every(ADD_PLANNERS_MS, () => this.#addMissingPlanners());
    this.#every(REMOVE_CONTENT_MS, () => this.#removeDueContent());
  }

  /** Does not wait for work in progress: while Redis is away, that work does not end. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.work.withdrawSlots(this.config.pool, { id: this.#id, slots: this.chunks.slots });
  }

  #every(ms: number, work: () => Promise<void>): void {
    let busy = false;
    const once = (): void => {
      if (busy) return;
      busy = true;
      void work()
        .catch((error: unknown) => this.logger.warn({ err: error }, 'batch maintenance failed, and is tried again'))
        .finally(() => {
          busy = false;
        });
    };
    once();
    this.#timers.push(setInterval(once, ms).unref());
  }

  /** Adds a planner job for each batch that has none: its producer died before it added the job, or Redis lost it. */
  async #addMissingPlanners(): Promise<void> {
    for (const id of await this.work.records.unfinished()) {
      const record = await this.work.records.get(id);
      if (record === undefined) await this.work.records.dropUnfinished(id);
      else if (!(await this.work.queues.hasPlanner(id, record.run))) await this.work.queues.addPlanner(id, record.run);
    }
  }

  /** Removes deleted and expired content from the store, and frees the bytes of what has expired. */
  async #removeDueContent(): Promise<void> {
    await this.work.stored.settle();
    for (;;) {
      const due = await this.work.files.dueRemovals(REMOVALS_AT_ONCE);
      for (const content of due) {
        await this.#removeContent(content);
        await this.work.files.removed(content);
      }
      if (due.length < REMOVALS_AT_ONCE) return;
    }
  }

  async #removeContent(content: Removal): Promise<void> {
    if (content.kind === 'batch') {
      await this.store.deletePrefix(`batches/${content.batchId}/`);
      return;
    }
    if (content.kind === 'blob') {
      await this.store.delete(content.key);
      return;
    }
    const list = await this.store.get(content.key, { maxBytes: MAX_LIST_BYTES });
    if (list === undefined) return;
    const { parts } = JSON.parse(Buffer.from(list).toString('utf8')) as FileParts;
    for (const { key } of parts) await this.store.delete(key);
    await this.store.delete(content.key);
  }
}
