import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { createHistogram } from 'node:perf_hooks';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import type { OipBody } from '@sconce/tensor';

/** The requests to send, how many and how long. */
export interface LoadPlan {
  readonly url: URL;
  /** Sent in turn. */
  readonly bodies: readonly OipBody[];
  /** Requests in flight at once: always this many in a closed loop, at most this many in an open loop. */
  readonly inFlight: number;
  /** Open loop: requests per second at fixed times, independent of the answers. Absent: a closed loop. */
  readonly rate?: number;
  /** Seconds before answers are counted. */
  readonly warmupSeconds: number;
  /** Seconds in which answers are counted. */
  readonly seconds: number;
}

/** Mean times that the server reports, ms, and the mean number of rows in the runs. */
export interface ServerShare {
  readonly queueMs: number;
  readonly batchMs: number;
  readonly runMs: number;
  readonly rowsPerRun: number;
}

/** The result. Latencies are in ms, of successful answers; in an open loop they begin when a request was due. */
export interface LoadReport {
  readonly succeeded: number;
  readonly perSecond: number;
  readonly latencyMs: { readonly p50: number; readonly p90: number; readonly p99: number; readonly max: number };
  readonly server: ServerShare;
  /** Number of failed requests, by HTTP status or the connection's error code. */
  readonly failed: Readonly<Record<string, number>>;
  /** Requests that were due but never sent, because `inFlight` were in flight. */
  readonly unsent: number;
}

interface Answer {
  readonly status: number;
  readonly timing: string;
}

/** Sends requests for the time of the plan. If it is aborted, it reports the answers so far. */
export async function generateLoad(
  plan: LoadPlan,
  options: { readonly signal?: AbortSignal; readonly onProgress?: (seconds: number) => void } = {},
): Promise<LoadReport> {
  const run = new LoadRun(plan, options.signal);
  const timer = setInterval(() => options.onProgress?.(run.seconds), 250);
  const close = (): void => {
    run.close();
  };
  options.signal?.addEventListener('abort', close, { once: true });
  try {
    await run.send();
  } finally {
    clearInterval(timer);
    options.signal?.removeEventListener('abort', close);
    close();
  }
  return run.report();
}

class LoadRun {
  readonly #plan: LoadPlan;
  readonly #signal: AbortSignal | undefined;
  readonly #agent: HttpAgent | HttpsAgent;
  readonly #post: typeof httpRequest;
  readonly #latencies = createHistogram({ figures: 3 });
  readonly #failed: Record<string, number> = {};
  readonly #startMs = performance.now();
  readonly #sums = { queue: 0, batch: 0, run: 0, rows: 0 };
  #succeeded = 0;
  #unsent = 0;
  #next = 0;
  #endedMs: number | undefined;

  constructor(plan: LoadPlan, signal: AbortSignal | undefined) {
    this.#plan = plan;
    this.#signal = signal;
    const isSecure = plan.url.protocol === 'https:';
    const sockets = { keepAlive: true, maxSockets: plan.inFlight, noDelay: true };
    this.#agent = isSecure ? new HttpsAgent(sockets) : new HttpAgent(sockets);
    this.#post = isSecure ? httpsRequest : httpRequest;
  }

  /** Seconds since the start. */
  get seconds(): number {
    return (performance.now() - this.#startMs) / 1e3;
  }

  async send(): Promise<void> {
    await (this.#plan.rate === undefined ? this.#closedLoop() : this.#openLoop(this.#plan.rate));
    this.#endedMs = performance.now();
  }

  /** Also ends the requests in flight. */
  close(): void {
    this.#agent.destroy();
  }

  report(): LoadReport {
    const { warmupSeconds } = this.#plan;
    const seconds = ((this.#endedMs ?? performance.now()) - this.#startMs) / 1e3 - warmupSeconds;
    const count = this.#succeeded;
    const ms = (percentile: number): number => (count === 0 ? 0 : this.#latencies.percentile(percentile) / 1e3);
    const mean = (sum: number): number => (count === 0 ? 0 : sum / count);
    const { queue, batch, run, rows } = this.#sums;
    return {
      succeeded: count,
      perSecond: seconds > 0 ? count / seconds : 0,
      latencyMs: { p50: ms(50), p90: ms(90), p99: ms(99), max: count === 0 ? 0 : this.#latencies.max / 1e3 },
      server: { queueMs: mean(queue), batchMs: mean(batch), runMs: mean(run), rowsPerRun: mean(rows) },
      failed: this.#failed,
      unsent: this.#unsent,
    };
  }

  get #over(): boolean {
    return this.#signal?.aborted === true || this.seconds >= this.#plan.warmupSeconds + this.#plan.seconds;
  }

  async #closedLoop(): Promise<void> {
    const one = async (): Promise<void> => {
      while (!this.#over) await this.#measure(performance.now());
    };
    await Promise.all(Array.from({ length: this.#plan.inFlight }, one));
  }

  async #openLoop(rate: number): Promise<void> {
    const inFlight = new Set<Promise<void>>();
    for (let n = 0; !this.#over; n++) {
      const dueMs = this.#startMs + (n * 1e3) / rate;
      // Timers are exact to a millisecond: requests that are due within it are sent together, each with its own due time.
      const waitMs = dueMs - performance.now();
      if (waitMs > 0.5) await delay(waitMs);
      if (inFlight.size >= this.#plan.inFlight) {
        if (this.seconds >= this.#plan.warmupSeconds) this.#unsent += 1;
        // Lets the event loop turn, so that answers can arrive.
        if (waitMs <= 0.5) await nextTurn();
        continue;
      }
      const sent = this.#measure(dueMs).finally(() => inFlight.delete(sent));
      inFlight.add(sent);
    }
    await Promise.all(inFlight);
  }

  /** Sends one request, and counts its answer if it comes within the measured time. Never rejects. */
  async #measure(fromMs: number): Promise<void> {
    const body = this.#plan.bodies[this.#next++ % this.#plan.bodies.length] as OipBody;
    const outcome = await this.#exchange(body).catch((error: unknown) => codeOf(error));
    if (this.seconds < this.#plan.warmupSeconds || this.#signal?.aborted === true) return;
    if (typeof outcome === 'object' && outcome.status === 200) {
      this.#succeeded += 1;
      this.#latencies.record(Math.max(1, Math.round((performance.now() - fromMs) * 1e3)));
      this.#sums.queue += durationOf(outcome.timing, 'queue');
      this.#sums.batch += durationOf(outcome.timing, 'batch');
      this.#sums.run += durationOf(outcome.timing, 'run');
      this.#sums.rows += Number(/desc="(\d+) rows/.exec(outcome.timing)?.[1] ?? 0);
      return;
    }
    const key = typeof outcome === 'string' ? outcome : String(outcome.status);
    this.#failed[key] = (this.#failed[key] ?? 0) + 1;
    // A pause, so that a server that refuses at once is not overloaded.
    await delay(FAILURE_PAUSE_MS);
  }

  #exchange({ body, contentType, headerLength }: OipBody): Promise<Answer> {
    const headers = {
      'content-type': contentType,
      'content-length': body.byteLength,
      ...(headerLength === undefined ? {} : { 'inference-header-content-length': headerLength }),
    };
    return new Promise((resolve, reject) => {
      const request = this.#post(this.#plan.url, { method: 'POST', agent: this.#agent, headers });
      request.once('error', reject);
      request.once('response', (response: IncomingMessage) => {
        response.once('error', reject);
        response.once('end', () => {
          resolve({ status: response.statusCode ?? 0, timing: String(response.headers['server-timing'] ?? '') });
        });
        response.resume();
      });
      request.end(body);
    });
  }
}

const FAILURE_PAUSE_MS = 10;

function durationOf(timing: string, name: string): number {
  return Number(new RegExp(`\\b${name};dur=([\\d.]+)`).exec(timing)?.[1] ?? 0);
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'connection';
}
