import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelConfig } from '@sconce/contracts';
import { startRedisServer, type RedisServer } from '@sconce/redis-server';
import { startOtlpCollector, type OtlpCollector } from '@sconce/trace-view';
import { atEndOfFile, eventually, fixturePath, temporaryFolder, type FixtureModel } from '@sconce/testing';
import { startProduct, type ReadyMessage } from './product-process.ts';

/** Longer than the product's grace period of 25 s, so that a process may use all of it. */
const STOP_MS = 40_000;

/** One process of the product, from the build. */
export interface Process {
  readonly pid: number;
  readonly child: ChildProcess;
  /** The message that it sent when it was ready. */
  readonly ready: ReadyMessage;
  /** Resolves when it has ended, with the exit code. */
  readonly exited: Promise<number | null>;
  /** Sends SIGTERM. Returns the exit code. */
  stop(): Promise<number | null>;
}

/** The whole system on free ports: a private Redis, an OTLP collector, the API and workers as separate processes. */
export interface Stack {
  readonly url: string;
  readonly redis: RedisServer;
  readonly collector: OtlpCollector;
  readonly api: Process;
  readonly workers: Process[];
  /** Folder of the blob store. */
  readonly data: string;
  startWorker(env?: Record<string, string>, execArgv?: readonly string[]): Promise<Process>;
  /** Starts another API on another port. */
  startApi(env?: Record<string, string>): Promise<Process>;
  /** Kills the API with SIGKILL and starts it again on the same port. */
  restartApi(): Promise<void>;
  /** Pushes a model file and waits until it is ready. */
  pushFile(path: string, name: string): Promise<void>;
  /** Pushes a fixture model and waits until it is ready. */
  push(model: FixtureModel, options?: { name?: string; version?: string; config?: ModelConfig }): Promise<void>;
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

/** Starts the system. It is stopped at the end of the spec file; a process that does not drain fails the file. */
export async function startStack(
  options: { workers?: number; env?: Record<string, string>; appendOnly?: boolean; maxMemoryBytes?: number } = {},
): Promise<Stack> {
  const redis = await startRedisServer({
    appendOnly: options.appendOnly ?? true,
    maxMemoryBytes: options.maxMemoryBytes,
  });
  atEndOfFile(() => redis.stop());
  const collector = await startOtlpCollector();
  atEndOfFile(() => collector.stop());
  const env = {
    SCONCE_REDIS_URL: redis.url,
    SCONCE_DATA: join(temporaryFolder('stack'), 'blobs'),
    SCONCE_PORT: '0',
    SCONCE_METRICS_PORT: '0',
    SCONCE_LOG_LEVEL: 'warn',
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    ...options.env,
  };
  const workers: Process[] = [];
  const startWorker = async (extra: Record<string, string> = {}, execArgv?: readonly string[]): Promise<Process> => {
    const worker = await startProcess('worker', { ...env, ...extra }, execArgv);
    workers.push(worker);
    return worker;
  };
  const [firstApi] = await Promise.all([
    startProcess('api', env),
    ...Array.from({ length: options.workers ?? 1 }, () => startWorker()),
  ]);
  let api = firstApi;
  const url = api.ready.url ?? '';
  const request = (path: string, init?: RequestInit): Promise<Response> => fetch(`${url}${path}`, init);
  return {
    url,
    redis,
    collector,
    get api() {
      return api;
    },
    workers,
    restartApi: async () => {
      api.child.kill('SIGKILL');
      await api.exited;
      api = await startProcess('api', { ...env, SCONCE_PORT: new URL(url).port });
    },
    pushFile: (path, name) => pushFile(request, { path, name, version: '1' }),
    data: env.SCONCE_DATA,
    startWorker,
    startApi: (extra = {}) => startProcess('api', { ...env, ...extra }),
    fetch: request,
    push: (model, { name = model, version = '1', config } = {}) =>
      pushFile(request, { path: fixturePath(model), name, version, config }),
  };
}

async function pushFile(
  request: Stack['fetch'],
  { path: file, name, version, config }: { path: string; name: string; version: string; config?: ModelConfig },
): Promise<void> {
  const path = `/v1/models/${name}/versions/${version}`;
  const body = new FormData();
  body.append('config', new Blob([JSON.stringify(config)]), 'config.json');
  body.append('model', new Blob([readFileSync(file)]), 'model');
  const pushed = await request(path, { method: 'PUT', body: config === undefined ? readFileSync(file) : body });
  if (pushed.status !== 202) throw new Error(`push of ${name}: ${pushed.status} ${await pushed.text()}`);
  await eventually(
    async () => {
      const { status, error } = (await (await request(path)).json()) as { status: string; error?: unknown };
      if (status !== 'ready') throw new Error(`${name} is ${status} ${JSON.stringify(error ?? '')}`);
    },
    // A registration runs at the lowest priority, so it may take long on a busy machine.
    { timeoutMs: 60_000 },
  );
}

async function startProcess(
  app: 'api' | 'worker',
  env: Record<string, string>,
  execArgv: readonly string[] = [],
): Promise<Process> {
  const started = startProduct(app, env, execArgv);
  const { child, ready, exited } = started;
  let stopping: Promise<number | null> | undefined;
  const stop = (): Promise<number | null> => (stopping ??= started.stop(STOP_MS));
  atEndOfFile(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const code = await stop();
    if (code !== 0) throw new Error(`the ${app} did not drain: exit code ${code}`);
  });
  return { pid: child.pid ?? 0, child, ready: await ready, exited, stop };
}

/** Body of a JSON infer request for the `affine` fixture. */
export function affineRequest(rows: readonly (readonly number[])[], extra: object = {}): RequestInit {
  return json({ inputs: [{ name: 'x', datatype: 'FP32', shape: [rows.length, 4], data: rows.flat() }], ...extra });
}

/** A POST of a JSON body. */
export function json(body: unknown, headers: Record<string, string> = {}): RequestInit {
  return { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
}
