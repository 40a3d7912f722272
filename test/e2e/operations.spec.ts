import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '@sconce/testing';
import { startStack, type Stack } from '../support/stack.ts';

let stack: Stack;

beforeAll(async () => {
  stack = await startStack();
  await stack.push('affine');
});

interface Backlog {
  readonly jobs: number;
  readonly seconds: number;
  readonly workers: number;
}

const metrics = (path: string): Promise<Response> => fetch(`${stack.api.ready.metricsUrl}${path}`);
const backlog = async (): Promise<Backlog> => (await (await metrics('/backlog/default')).json()) as Backlog;
const submit = (): Promise<Response> =>
  stack.fetch('/v1/jobs', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'affine',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4], data: [1, 2, 3, 4] }],
    }),
  });

describe('the port for probes', () => {
  it('distinguishes started from ready', async () => {
    for (const process of [stack.api, stack.workers[0]!]) {
      for (const path of ['/health/live', '/health/ready', '/health/started']) {
        expect((await fetch(`${process.ready.metricsUrl}${path}`)).status, path).toBe(200);
      }
      expect((await fetch(`${process.ready.metricsUrl}/health/other`)).status).toBe(404);
    }
  });

  it('reports the backlog of a pool in seconds, also while it has no workers', async () => {
    expect((await submit()).status).toBe(202);
    // Workers report their pace every few seconds.
    await eventually(async () => expect(await backlog()).toMatchObject({ jobs: 0, seconds: 0, workers: 1 }), {
      timeoutMs: 15_000,
    });
    expect(await stack.workers[0]!.stop()).toBe(0);
    for (let count = 0; count < 20; count++) expect((await submit()).status).toBe(202);
    const waiting = await backlog();
    expect(waiting).toMatchObject({ waiting: 20, prioritized: 0, active: 0, jobs: 20 });
    expect(waiting.seconds).toBeGreaterThan(0);
    // One job of this model takes less than a second: known from the report of the stopped worker.
    expect(waiting.seconds).toBeLessThan(20);
    const shown = await (await metrics('/metrics')).text();
    expect(shown).toContain('sconce_queue_jobs{queue="sconce.default.batch",state="waiting"} 20\n');
    expect(shown).toMatch(/^sconce_queue_oldest_age_seconds\{queue="sconce\.default\.batch"\} (?!0$)[\d.]+$/m);
    expect(shown).toMatch(/^sconce_queue_jobs\{queue="sconce\.registration",state="waiting"\} 0$/m);
    expect(shown).toMatch(/^sconce_pool_workers\{pool="default"\} [01]$/m);
    expect(shown).toMatch(/^sconce_pool_backlog_seconds\{pool="default"\} [\d.]+$/m);
    expect(shown).toMatch(/^sconce_redis_up 1$/m);
    expect(shown).toMatch(/^sconce_redis_memory_bytes\{kind="used"\} \d{6,}$/m);
    await stack.startWorker();
    await eventually(async () => expect((await backlog()).jobs).toBe(0), { timeoutMs: 15_000 });
    expect((await metrics('/backlog/no%20pool')).status).toBe(404);
  });
});

describe('a start with invalid settings', () => {
  const start = (app: string, env: Record<string, string>): { status: number | null; stderr: string } => {
    const main = fileURLToPath(new URL(`../../apps/${app}/dist/main.js`, import.meta.url));
    const { status, stderr } = spawnSync(process.execPath, [main], { env, encoding: 'utf8', timeout: 20_000 });
    return { status, stderr };
  };

  it.each([
    ['api', { SCONCE_HOST: '0.0.0.0' }, /^error: SCONCE_HOST: 0\.0\.0\.0 is no loopback address/],
    [
      'worker',
      { SCONCE_THREDS: '2' },
      /^error: SCONCE_THREDS: there is no such setting\. Did you mean SCONCE_THREADS\?/,
    ],
    ['worker', { SCONCE_MAX_RUN_MS: 'soon' }, /^error: SCONCE_MAX_RUN_MS: "soon"; expected a whole number of ms/],
  ])('%s %j', (app, env, message) => {
    const { status, stderr } = start(app, env);
    expect(stderr).toMatch(message);
    expect(status).toBe(78);
  });
});
