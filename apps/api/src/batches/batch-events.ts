import type { ServerResponse } from 'node:http';
import { Inject, Injectable } from '@nestjs/common';
import { SconceError } from '@sconce/errors';
import { BatchProducer, type BatchRecord } from '@sconce/queue';
import { hasEnded, toBatchResource } from './batch-resource.ts';

/** A batch is looked at again after these times: soon at first, as small ones end soon. */
const FIRST_LOOK_MS = 25;
const MAX_LOOK_MS = 500;
/** Proxies close connections on which nothing comes. */
const COMMENT_MS = 15_000;
const MAX_WATCHERS = 1_000;

/** Tells how batches go on, as server-sent events: `batch` with the resource whenever it has changed; the stream ends with the batch. */
@Injectable()
export class BatchEvents {
  #watchers = 0;
  #closing = false;

  constructor(@Inject(BatchProducer) private readonly producer: BatchProducer) {}

  /** @throws SconceError `queue_full` where as many callers watch as may. */
  checkRoom(): void {
    if (this.#watchers < MAX_WATCHERS) return;
    throw new SconceError(
      'queue_full',
      `${MAX_WATCHERS} callers watch batches already; ask for the batch from time to time.`,
      {
        details: { retryAfterSeconds: 30 },
      },
    );
  }

  /** Writes events until the batch has ended or the caller has gone. */
  async stream(batch: BatchRecord, response: ServerResponse): Promise<void> {
    this.#watchers += 1;
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
    try {
      let before = '';
      let wroteAtMs = 0;
      let lookMs = FIRST_LOOK_MS;
      for (let current = batch; ; current = await this.producer.batch(batch.id)) {
        const data = JSON.stringify(toBatchResource(current));
        if (data !== before) {
          response.write(`event: batch\ndata: ${data}\n\n`);
          before = data;
          wroteAtMs = Date.now();
        } else if (Date.now() - wroteAtMs > COMMENT_MS) {
          response.write(': still here\n\n');
          wroteAtMs = Date.now();
        }
        if (hasEnded(current) || gone.signal.aborted || this.#closing) break;
        await pause(lookMs, gone.signal);
        lookMs = Math.min(MAX_LOOK_MS, lookMs * 1.25);
      }
    } finally {
      this.#watchers -= 1;
      response.end();
    }
  }

  /** Ends every stream: the server shuts down, and clients come again elsewhere. */
  beforeApplicationShutdown(): void {
    this.#closing = true;
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener('abort', () => resolve(), { once: true });
  await promise;
  clearTimeout(timer);
}
