import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@sconce/telemetry';
import { ApiProcess, type ApiProcessOptions } from './api-process.ts';

const BACKOFF_MS = [100, 250, 500, 1_000, 2_000] as const;
const DEATH_WINDOW_MS = 60_000;
/** Deaths of one process within a minute after which the whole API ends. */
const MAX_DEATHS = 8;

export interface ApiProcessesOptions extends Omit<ApiProcessOptions, 'env'> {
  readonly count: number;
  /** 0: any free port. */
  readonly port: number;
  readonly environment: (port: number) => NodeJS.ProcessEnv;
  /** How long `stop` waits until it kills, ms. */
  readonly stopTimeoutMs: number;
  /** Waits before a process is started again, ms. The last one repeats. */
  readonly backoffMs?: readonly number[];
  readonly logger: Logger;
  /** Called when a process died too often and is not started again. */
  readonly onGaveUp: (error: Error) => void;
}

/**
 * Several API processes on one port. A process that dies is started again after a while.
 *
 * States: *starting* (`start`) → *running* → *stopping* (`stop`: SIGTERM to all) → *stopped*.
 */
export class ApiProcesses {
  readonly #options: ApiProcessesOptions;
  readonly #processes: (ApiProcess | undefined)[] = [];
  readonly #restarts = new Set<AbortController>();
  #port: number;
  #isStopping = false;

  constructor(options: ApiProcessesOptions) {
    this.#options = options;
    this.#port = options.port;
  }

  /** Addresses of the metrics ports of the processes that are ready, with their numbers. */
  get metricsUrls(): readonly { readonly process: string; readonly url: string }[] {
    return this.#processes.flatMap((process, index) => {
      const url = process?.metricsUrl;
      return url === undefined ? [] : [{ process: String(index + 1), url }];
    });
  }

  get pids(): readonly number[] {
    return this.#processes.flatMap((process) => process?.pid ?? []);
  }

  /** Starts all processes. Returns the URL that they answer on. @throws Error if one of them does not start. */
  async start(): Promise<string> {
    // The first process finds the port, if any free one is wanted.
    const { url } = await this.#startFirst(0).ready;
    this.#port = Number(new URL(url).port);
    const others = Array.from({ length: this.#options.count - 1 }, (_, index) => this.#startFirst(index + 1).ready);
    await Promise.all(others);
    for (const index of this.#processes.keys()) void this.#keep(index);
    return url;
  }

  /** Asks all processes to drain. Returns whether all of them ended well in time. */
  async stop(): Promise<boolean> {
    this.#isStopping = true;
    for (const restart of this.#restarts) restart.abort();
    const processes = this.#processes.filter((process) => process !== undefined);
    for (const process of processes) process.stop();
    const timer = setTimeout(() => {
      for (const process of processes) process.kill();
    }, this.#options.stopTimeoutMs);
    const ends = await Promise.all(processes.map(({ ended }) => ended));
    clearTimeout(timer);
    return ends.every((how) => how === 0);
  }

  #startFirst(index: number): ApiProcess {
    const { modulePath, args, environment, readyTimeoutMs } = this.#options;
    const process = new ApiProcess({ modulePath, args, env: environment(this.#port), readyTimeoutMs });
    this.#processes[index] = process;
    return process;
  }

  /** Starts a process again whenever it has died. */
  async #keep(index: number): Promise<void> {
    const { logger, onGaveUp, backoffMs = BACKOFF_MS } = this.#options;
    let deaths: number[] = [];
    let process = this.#processes[index];
    for (;;) {
      const how = await process?.ended;
      this.#processes[index] = undefined;
      if (this.#isStopping) return;
      const nowMs = performance.now();
      deaths = [...deaths.filter((atMs) => nowMs - atMs < DEATH_WINDOW_MS), nowMs];
      if (deaths.length > MAX_DEATHS) {
        onGaveUp(new Error(`API process ${index + 1} ended (${how}) again, ${deaths.length} times in a minute.`));
        return;
      }
      logger.error({ process: index + 1, ended: how }, 'an API process died and is started again');
      await this.#pause(backoffMs[Math.min(deaths.length, backoffMs.length) - 1] ?? 0);
      if (this.#isStopping) return;
      process = this.#startFirst(index);
    }
  }

  /** Waits, but not longer than until `stop`. */
  async #pause(ms: number): Promise<void> {
    const abort = new AbortController();
    this.#restarts.add(abort);
    await delay(ms, undefined, { signal: abort.signal }).catch(() => undefined);
    this.#restarts.delete(abort);
  }
}
