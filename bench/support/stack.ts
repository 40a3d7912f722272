import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { encodeInferRequest, type Tensor } from '@sconce/tensor';
import type { LoadPlan } from './load-client.ts';

/** The launcher of the `sconce` command. */
export const SCONCE = fileURLToPath(new URL('../../apps/cli/bin/sconce.mjs', import.meta.url));

/** The whole system on this machine, from the build. */
export interface BenchStack {
  readonly url: string;
  readonly redisUrl: string;
  readonly metricsUrl: string;
  readonly workerMetricsUrls: readonly string[];
  readonly pids: { readonly redis: number; readonly api: number; readonly workers: readonly number[] };
  /** The process of `sconce up`, which started the others. */
  readonly pid: number;
  stop(): Promise<void>;
}

/** The line that `sconce up --json` prints. */
interface UpLine extends Pick<BenchStack, 'url' | 'pids'> {
  readonly redis_url: string;
  readonly metrics_url: string;
  readonly worker_metrics_urls: readonly string[];
}

/** A binary request for a model, with one row. Its tensors have the names of the model's inputs. */
export function sconceRequest(
  url: string,
  { name, row }: { readonly name: string; readonly row: readonly Tensor[] },
): Pick<LoadPlan, 'url' | 'path' | 'headers' | 'bodies'> {
  const { body, headerLength } = encodeInferRequest({ inputs: row, binary: true });
  return {
    url,
    path: `/v2/models/${name}/infer`,
    headers: {
      'content-type': 'application/octet-stream',
      'inference-header-content-length': String(headerLength),
    },
    bodies: [Buffer.from(body).toString('base64')],
  };
}

/** The same request as JSON, as most clients send it. */
export function jsonRequest(
  url: string,
  { name, row }: { readonly name: string; readonly row: readonly Tensor[] },
): Pick<LoadPlan, 'url' | 'path' | 'headers' | 'bodies'> {
  const { body } = encodeInferRequest({ inputs: row, binary: false });
  return {
    url,
    path: `/v2/models/${name}/infer`,
    headers: { 'content-type': 'application/json' },
    bodies: [Buffer.from(body).toString('base64')],
  };
}

/** Starts `sconce up` on a free port. The API and the workers get `env`. */
export async function startBenchStack(options: {
  readonly data: string;
  /** Launcher of the build that runs; default: this one's. */
  readonly launcher?: string;
  readonly workers?: number;
  readonly env?: Readonly<Record<string, string>>;
}): Promise<BenchStack> {
  const { data, launcher = SCONCE, workers = 1, env = {} } = options;
  const args = ['up', '--json', '--port', '0', '--data', data, '--workers', String(workers)];
  const child = spawn(process.execPath, [launcher, ...args], {
    env: { ...process.env, SCONCE_LOG_LEVEL: 'error', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  // The stack ends with this process.
  const kill = (): void => void child.kill('SIGTERM');
  process.once('exit', kill);
  for await (const line of createInterface(child.stdout)) {
    const { url, redis_url, metrics_url, worker_metrics_urls, pids } = JSON.parse(line) as UpLine;
    return {
      url,
      redisUrl: redis_url,
      metricsUrl: metrics_url,
      workerMetricsUrls: worker_metrics_urls,
      pids,
      pid: child.pid ?? 0,
      stop: async () => {
        process.removeListener('exit', kill);
        kill();
        await exited;
      },
    };
  }
  throw new Error('sconce up ended before it was ready');
}

/** Resident memory of a process, MiB. */
export function residentMiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
}

/** A quantile of values in any order. */
export function quantile(values: readonly number[], q: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * q)] ?? NaN;
}
