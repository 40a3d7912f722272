import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { SconceError } from '@sconce/errors';
import type { ApiConfig } from '../config.ts';
import { CONFIG } from '../tokens.ts';

/** Times between two reads of a resource. They are short at first, because most of them end soon. */
const FIRST_READ_MS = 25;
const MAX_READ_MS = 500;
/** Proxies close connections that are silent for long. */
const COMMENT_MS = 15_000;
const MAX_WATCHERS = 1_000;
/** When a refused caller should try again. */
const RETRY_AFTER_SECONDS = 30;

/** A resource that is watched. */
export interface Watched<T> {
  /** Name of its events. */
  readonly name: 'batch' | 'job';
  readonly first: T;
  readonly read: () => Promise<T>;
  readonly toResource: (record: T) => object;
  readonly hasEnded: (record: T) => boolean;
}

/** Reports the progress of batches and jobs as server-sent events: the resource whenever it has changed, until it has ended. */
@Injectable()
export class EventStreams {
  #watchers = 0;
  /** Event streams of each owner. Callers that need no key are not counted here. */
  readonly #byOwner = new Map<string, number>();
  #closing = false;

  constructor(@Inject(CONFIG) private readonly config: Pick<ApiConfig, 'maxEventStreamsPerOwner'>) {}

  /** @throws SconceError `queue_full` if as many callers watch as may, of this owner or of all. */
  checkRoom(owner: string | undefined): void {
    const { maxEventStreamsPerOwner: mostOwn } = this.config;
    if (this.#watchers >= MAX_WATCHERS) throw full(`${MAX_WATCHERS} callers watch batches and jobs already`);
    if (owner === undefined || (this.#byOwner.get(owner) ?? 0) < mostOwn) return;
    throw full(
      `Owner ${owner} has ${mostOwn} event streams at this server and may have no more (SCONCE_MAX_EVENT_STREAMS_PER_OWNER)`,
    );
  }

  /** Writes events until the resource has ended or the caller has disconnected. */
  async stream<T>(watched: Watched<T>, response: ServerResponse, owner: string | undefined): Promise<void> {
    this.#count(owner, 1);
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
      let readMs = FIRST_READ_MS;
      for (let current = watched.first; ; current = await watched.read()) {
        const data = JSON.stringify(watched.toResource(current));
        if (data !== before) {
          response.write(`event: ${watched.name}\ndata: ${data}\n\n`);
          before = data;
          wroteAtMs = Date.now();
        } else if (Date.now() - wroteAtMs > COMMENT_MS) {
          response.write(': still running\n\n');
          wroteAtMs = Date.now();
        }
        if (watched.hasEnded(current) || gone.signal.aborted || this.#closing) break;
        await delay(readMs, undefined, { signal: gone.signal }).catch(() => undefined);
        readMs = Math.min(MAX_READ_MS, readMs * 1.25);
      }
    } finally {
      this.#count(owner, -1);
      response.end();
    }
  }

  #count(owner: string | undefined, by: 1 | -1): void {
    this.#watchers += by;
    if (owner === undefined) return;
    const own = (this.#byOwner.get(owner) ?? 0) + by;
    if (own > 0) this.#byOwner.set(owner, own);
    else this.#byOwner.delete(owner);
  }

  /** Ends every stream, because the server shuts down. Clients connect again to another server. */
  beforeApplicationShutdown(): void {
    this.#closing = true;
  }
}

function full(why: string): SconceError {
  const message = `${why}: get it from time to time instead.`;
  return new SconceError('queue_full', message, { details: { retryAfterSeconds: RETRY_AFTER_SECONDS } });
}
