import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hashSecret, type ApiKey } from '@sconce/keys';
import { eventually, fixturePath } from '@sconce/testing/without-vitest';
import { httpCall } from '../clients/http-call.ts';
import { MODELS, type ModelName } from '../models.ts';
import { OWNERS } from '../plan/draw-clients.ts';
import type { Plan } from '../plan/plan.ts';
import type { Recorder } from '../recorder.ts';
import { lineModel } from './line-model.ts';
import { ManagedProcess } from './managed-process.ts';
import { memoryOf } from './memory.ts';
import { startRedisFor, type RedisSetup } from './redis-setup.ts';
import { secretOf } from './secrets.ts';
import { makeStore, type StoreSetup } from './store-setup.ts';

const SAMPLE_MS = 500;
const READY_MS = 120_000;
const MAX_RUN_MS = 5_000;
const GRACE_MS = 10_000;

/** The whole product on this machine, with handles for faults. */
export interface System {
  readonly api: ManagedProcess;
  readonly processes: ReadonlyMap<string, ManagedProcess>;
  readonly redis: RedisSetup;
  readonly store: StoreSetup;
  /** Ends everything. Processes drain, and an exit code other than 0 is in the history. */
  stop(): Promise<void>;
}

export interface SystemOptions {
  readonly plan: Plan;
  readonly recorder: Recorder;
  /** Folder of the run: store, keys, logs. */
  readonly home: string;
  /** Folder that keeps the blobs of the registered models for later runs. */
  readonly template: string;
}

/** Starts the system of a plan, with all models registered. */
export async function startSystem({ plan, recorder, home, template }: SystemOptions): Promise<System> {
  const workers = Array.from({ length: plan.system.workers }, (_, index) => `worker-${index + 1}`);
  await mkdir(join(home, 'logs'), { recursive: true });
  const registered = existsSync(template);
  const store = await makeStore(plan.system, home, registered ? template : undefined);
  const redis = await startRedisFor(plan.system, ['api', ...workers]);
  const keysFile = join(home, 'keys.json');
  writeFileSync(keysFile, JSON.stringify({ keys: [...OWNERS, 'admin'].map(keyOf) }));
  const processes = new Map(
    ['api', ...workers].map((name) => {
      const app = name === 'api' ? 'api' : 'worker';
      const env = {
        SCONCE_DATA: store.folder,
        SCONCE_PORT: '0',
        SCONCE_METRICS_PORT: '0',
        SCONCE_SHUTDOWN_GRACE_MS: String(GRACE_MS),
        ...(app === 'api' ? { SCONCE_KEYS_FILE: keysFile } : WORKER_ENV),
        ...redis.env(name),
      };
      return [name, new ManagedProcess({ name, app, env, recorder, logFile: join(home, 'logs', `${name}.log`) })];
    }),
  );
  const sampler = setInterval(() => sample(recorder, processes, redis), SAMPLE_MS);
  const stop = async (): Promise<void> => {
    clearInterval(sampler);
    await Promise.all([...processes.values()].map((each) => drain(each, recorder)));
    await redis.stop();
    await store.stop();
  };
  try {
    await Promise.all([...processes.values()].map((each) => each.start()));
    const api = processes.get('api');
    if (api === undefined) throw new Error('there is no API');
    if (!registered) {
      await registerModels(api.url);
      await cp(store.folder, template, { recursive: true });
    }
    return { api, processes, redis, store, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const WORKER_ENV = {
  SCONCE_THREADS: '1',
  SCONCE_MAX_RUN_MS: String(MAX_RUN_MS),
  SCONCE_REGISTRATION_MEMORY_BYTES: String(1024 ** 3),
};

function keyOf(owner: string): ApiKey {
  const scopes: ApiKey['scopes'] = owner === 'admin' ? ['admin'] : ['infer', 'batch', 'models'];
  return { id: owner, owner, sha256: hashSecret(secretOf(owner)), scopes };
}

async function registerModels(url: string): Promise<void> {
  const headers = { 'x-api-key': secretOf('admin') };
  const names = Object.keys(MODELS) as ModelName[];
  await Promise.all(
    names.map(async (name) => {
      const target = `${url}/v1/models/${name}/versions/1`;
      const body = name === 'line' ? lineModel(1) : readFileSync(fixturePath(name));
      const { outcome, text } = await httpCall(target, { method: 'PUT', headers, body, giveUpMs: READY_MS });
      if (outcome !== 202) throw new Error(`push of ${name}: ${outcome} ${text()}`);
      await eventually(
        async () => {
          const read = await httpCall(target, { headers, giveUpMs: READY_MS });
          return (read.json() as { status?: string }).status === 'ready';
        },
        { timeoutMs: READY_MS, intervalMs: 100 },
      );
    }),
  );
}

function sample(recorder: Recorder, processes: System['processes'], redis: RedisSetup): void {
  const pids = [
    ...[...processes.values()].map(({ name, pid }) => ({ name, pid })),
    ...redis.servers.map(({ pid }, index) => ({ name: `redis-${index + 1}`, pid })),
  ];
  for (const { name, pid } of pids) {
    const rssBytes = pid === undefined ? undefined : memoryOf(pid);
    if (pid !== undefined && rssBytes !== undefined) recorder.add({ type: 'sample', process: name, pid, rssBytes });
  }
}

/** A fault of its own, so that the checker sees whether the process drains. */
async function drain(process: ManagedProcess, recorder: Recorder): Promise<void> {
  const kind = process.name === 'api' ? 'drain-api' : 'drain-worker';
  const fault = { type: 'fault', fault: `stop-of-${process.name}`, kind, process: process.name } as const;
  recorder.add({ ...fault, phase: 'begin' });
  process.signal('SIGCONT');
  const killer = setTimeout(() => process.signal('SIGKILL'), 2 * GRACE_MS);
  await process.hold('SIGTERM');
  clearTimeout(killer);
  recorder.add({ ...fault, phase: 'end' });
}
