/**
 * Measures the work of Redis for a request, a chunk and a waiting job, and the queue jobs in flight at a saturated worker with two
 * threads. docs/scaling.md and the weights of the ScaledObjects use these numbers. Run `npm run build` first.
 *
 *     node --conditions=@sconce/source bench/scaling/redis.bench.ts [--seconds 6]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SconceClient } from '@sconce/client';
import type { Tensor } from '@sconce/tensor';
import { Fleet } from '../../test/scaling/fleet.ts';
import { startInstallation, type Installation } from '../../test/scaling/installation.ts';
import { digitRows, DIGITS_TABLE } from '../../test/support/rows.ts';
import { writeLargeModel } from '../registration/large-model.ts';
import { load } from '../support/in-process.ts';
import { sconceRequest } from '../support/stack.ts';

type Redis = Installation['redis'];

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '6' } } });
const SECONDS = Number(values.seconds);
const IDLE_SECONDS = 5;
const JOBS = 500;
const BATCH_ROWS = 2_000_000;
const DIGITS = fileURLToPath(new URL('../../examples/digits/digits.onnx', import.meta.url));

/** The work of Redis so far. `calls` counts all commands, also those in scripts; `scripts` counts BullMQ's and our scripts. */
interface Work {
  readonly calls: number;
  readonly scripts: number;
  readonly cpuMs: number;
}

async function workOf(redis: Redis): Promise<Work> {
  const stats = await redis.info('commandstats');
  const cpu = await redis.info('cpu');
  const counts = [...stats.matchAll(/^cmdstat_(\S+?):calls=(\d+)/gm)].map(([, name = '', calls]) => ({
    name,
    calls: Number(calls),
  }));
  const sum = (own: readonly { calls: number }[]): number => own.reduce((total, { calls }) => total + calls, 0);
  const cpuOf = (kind: string): number => Number(new RegExp(`used_cpu_${kind}:([\\d.]+)`).exec(cpu)?.[1] ?? 0);
  return {
    calls: sum(counts.filter(({ name }) => name !== 'info')),
    scripts: sum(counts.filter(({ name }) => name === 'evalsha' || name === 'eval')),
    cpuMs: (cpuOf('user') + cpuOf('sys')) * 1_000,
  };
}

const since = (before: Work, now: Work): Work => ({
  calls: now.calls - before.calls,
  scripts: now.scripts - before.scripts,
  cpuMs: now.cpuMs - before.cpuMs,
});

const line = (cells: readonly (string | number)[]): string =>
  `| ${cells.map((cell) => (typeof cell === 'number' ? figure(cell) : cell)).join(' | ')} |`;

function figure(value: number): string {
  if (value === 0) return '0';
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  return [line(head), line(head.map(() => '---')), ...rows.map(line), ''].join('\n');
}

/** Requests at several concurrencies: the work of Redis per request, and the worker's jobs in flight. */
async function requests(installation: Installation, name: string, row: readonly Tensor[], idle: Work): Promise<string> {
  const { redis, url } = installation;
  const rows: (string | number)[][] = [];
  for (const inFlight of [1, 8, 64, 256]) {
    const plan = { ...sconceRequest(url, { name, row }), inFlight, warmupSeconds: 0, seconds: SECONDS };
    await load({ ...plan, seconds: 2 });
    const before = await workOf(redis);
    let isOver = false;
    const sampling = sample(redis, () => isOver);
    const report = await load(plan);
    isOver = true;
    const [jobs, work] = await Promise.all([sampling, workOf(redis)]);
    const done = report.requests;
    const own = since(before, work);
    // Each sample of the lists cost two commands.
    const looked = { calls: 2 * jobs.samples, scripts: 0, cpuMs: 0 };
    const of = (key: keyof Work): number =>
      Math.max(0, own[key] - looked[key] - (idle[key] * SECONDS) / IDLE_SECONDS) / done;
    rows.push([
      inFlight,
      report.perSecond,
      report.p50,
      of('scripts'),
      of('calls'),
      of('cpuMs') * 1e3,
      jobs.active,
      jobs.waiting,
      report.failed,
    ]);
  }
  const head = [
    'in flight',
    'requests/s',
    'p50 ms',
    'scripts',
    'commands',
    'Redis CPU µs',
    'active',
    'waiting',
    'failed',
  ];
  return `${name}, per request:\n\n${table(head, rows)}`;
}

/** Mean number of jobs in the online lane. */
async function sample(
  redis: Redis,
  isOver: () => boolean,
): Promise<{ active: number; waiting: number; samples: number }> {
  let [active, waiting, samples] = [0, 0, 0];
  while (!isOver()) {
    active += await redis.llen('bull:sconce.default.online:active');
    waiting += await redis.llen('bull:sconce.default.online:wait');
    samples += 1;
    await sleep(20);
  }
  return { active: active / samples, waiting: waiting / samples, samples };
}

async function chunks(installation: Installation, idle: Work): Promise<string> {
  const { redis, url } = installation;
  const client = new SconceClient({ url });
  const dataset = digitRows(BATCH_ROWS);
  const before = await workOf(redis);
  const startMs = performance.now();
  const { id } = await client.batches.score(DIGITS_TABLE, dataset, { filename: 'rows.csv' });
  let jobBytes = 0;
  let looking = true;
  const watching = (async () => {
    while (looking) {
      const [waiting] = await redis.zrange('bull:sconce.default.batch:prioritized', '0', '0');
      if (waiting !== undefined) {
        jobBytes = Math.max(
          jobBytes,
          (await redis.call('MEMORY', 'USAGE', `bull:sconce.default.batch:${waiting}`)) as number,
        );
      }
      await sleep(500);
    }
  })();
  await client.batches.wait(id);
  looking = false;
  await watching;
  const seconds = (performance.now() - startMs) / 1_000;
  const own = since(before, await workOf(redis));
  const done = Number(await redis.hget(`sconce:batch:${id}`, 'chunks_done'));
  let bytes = 0;
  for (const part of ['', ':chunks', ':parts', ':tokens']) {
    bytes += Number((await redis.call('MEMORY', 'USAGE', `sconce:batch:${id}${part}`, 'SAMPLES', '0')) ?? 0);
  }
  const of = (key: keyof Work): number => Math.max(0, own[key] - (idle[key] * seconds) / IDLE_SECONDS) / done;
  const head = [
    'rows',
    'seconds',
    'chunks',
    'scripts',
    'commands',
    'Redis CPU µs',
    'record bytes',
    'bytes of a waiting chunk',
  ];
  return `digits as a batch, per chunk:\n\n${table(head, [
    [BATCH_ROWS, seconds, done, of('scripts'), of('calls'), of('cpuMs') * 1e3, bytes / done, jobBytes],
  ])}`;
}

/** Waiting jobs of small requests: memory of a job with its record. */
async function waitingJobs({ redis, url }: Installation): Promise<string> {
  const client = new SconceClient({ url });
  const used = async (): Promise<number> => Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1]);
  const x: Tensor = { name: 'pixels', datatype: 'FP32', shape: [1, 64], data: new Uint8Array(256) };
  const submit = (): Promise<unknown> => client.jobs.submit('digits', { inputs: [x], binary: true });
  await submit();
  const before = await used();
  for (let n = 0; n < JOBS; n++) await submit();
  return `A waiting job of 256 bytes of inputs takes ${figure(((await used()) - before) / JOBS)} bytes of Redis.\n`;
}

const scratch = mkdtempSync(join(tmpdir(), 'sconce-bench-'));
const installation = await startInstallation({ SCONCE_THREADS: '2' });
const fleet = new Fleet({ env: installation.workerEnv, startUpMs: 0, victim: 'idle', random: Math.random });
try {
  const big = join(scratch, 'big_mlp.onnx');
  writeLargeModel(big, [1024, 4096, 4096, 1000]);
  fleet.scaleTo(1);
  await installation.push();
  await installation.push('digits', DIGITS);
  await installation.push('big_mlp', big);
  const before = await workOf(installation.redis);
  await sleep(IDLE_SECONDS * 1_000);
  const idle = since(before, await workOf(installation.redis));
  process.stdout.write(
    `Idle, API and one worker: ${figure(idle.calls / IDLE_SECONDS)} commands a second, ${figure(idle.cpuMs / IDLE_SECONDS)} ms of Redis' CPU.\n\n`,
  );
  const floats = (name: string, count: number): Tensor => ({
    name,
    datatype: 'FP32',
    shape: [1, count],
    data: new Uint8Array(new Float32Array(count).buffer),
  });
  const steps: Tensor = {
    name: 'steps',
    datatype: 'INT64',
    shape: [1],
    data: new Uint8Array(BigInt64Array.of(150n).buffer),
  };
  process.stdout.write(`${await requests(installation, 'digits', [floats('pixels', 64)], idle)}\n`);
  process.stdout.write(`${await requests(installation, 'big_mlp', [floats('x', 1024)], idle)}\n`);
  process.stdout.write(`${await requests(installation, 'slow', [steps], idle)}\n`);
  process.stdout.write(`${await chunks(installation, idle)}\n`);
  await fleet.close();
  process.stdout.write(`${await waitingJobs(installation)}\n`);
} finally {
  await fleet.close();
  await installation.close();
  rmSync(scratch, { recursive: true, force: true });
}
