/**
 * Compares this build with another commit's: both stacks run on this machine, and each load goes to one after the other, round after
 * round. A ratio is the median of the rounds' own ratios (this build over the other), with the least and the most.
 *
 *     npm run build
 *     node --conditions=@sconce/source bench/serving/against.bench.ts --against COMMIT [--models MODELS] [--rounds 5] [--seconds 4]
 *         [--parts latency,open,ratio,memory,start,recovery,fairness,owners,soak] [--only mlp,resnet18] [--minutes 10] [--json OUT.json]
 *
 * The other commit is checked out, installed and built in a temporary folder the first time. `wrk` sends the closed loops when it is
 * installed. The part `soak` runs only if it is named: ten minutes of load on this build. `--models` is the folder of `bench/peers/export_models.py FOLDER --served`; without it there are two perceptrons.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { inProcess, load } from '../support/in-process.ts';
import { buildOtherCommit } from '../support/other-build.ts';
import { processTree, memoryMiB } from '../support/processes.ts';
import { SCONCE, jsonRequest, residentMiB, sconceRequest } from '../support/stack.ts';
import { readUsage, type Usage } from '../support/usage.ts';
import { CLOSED_LOOP_CLIENT, closedLoop } from '../support/wrk.ts';
import type { BarePlan, BareReport } from './bare-loop.ts';
import { Comparison } from './comparison.ts';
import { measureFairness } from './fairness.ts';
import { benchModels, repeatRow, type BenchModel } from './models.ts';
import { measureOwners } from './owners.ts';
import { soak } from './pressure.ts';
import { measureRecovery } from './recovery.ts';
import { pushModel, startSide, type RunningSide, type Side } from './sides.ts';

const PARTS = ['latency', 'open', 'ratio', 'memory', 'start', 'recovery', 'fairness', 'owners'] as const;
const { values: flags } = parseArgs({
  options: {
    against: { type: 'string' },
    models: { type: 'string' },
    only: { type: 'string' },
    parts: { type: 'string', default: PARTS.join(',') },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    minutes: { type: 'string', default: '10' },
    idle: { type: 'string', default: '60' },
    json: { type: 'string' },
  },
});
if (flags.against === undefined) throw new Error('Name the commit to compare with: --against COMMIT');
const rounds = Number(flags.rounds);
const seconds = Number(flags.seconds);
const parts = new Set(flags.parts.split(','));
const IN_FLIGHT = [1, 8, 64, 256] as const;
/** Share of its own best rate that a side gets in the open loop. */
const OPEN_SHARE = 0.6;
/** The model whose own run takes almost no time. */
const TINY = 'mlp';

const other = buildOtherCommit(flags.against);
const sides: readonly Side[] = [
  { name: 'this', launcher: SCONCE },
  { name: other.commit, launcher: other.launcher },
];
const scratch = mkdtempSync(join(tmpdir(), 'sconce-bench-'));
const comparison = new Comparison();

try {
  const only = flags.only?.split(',');
  const models = benchModels(flags.models, scratch).filter(({ name }) => only?.includes(name) ?? true);
  const tiny = models.find(({ name }) => name === TINY);
  if (['latency', 'open', 'ratio'].some((part) => parts.has(part))) await compareRunning(models);
  if (parts.has('memory')) await eachRound('memory', 1, measureMemory);
  if (parts.has('start')) await eachRound('start', rounds, measureStart);
  if (parts.has('recovery')) {
    await eachRound('recovery', Math.min(rounds, 3), async (side, index) => {
      const { longestSeconds, usualSeconds, failed } = await measureRecovery(side, scratch);
      record('kill -9 of a worker: longest wait', 's', index, longestSeconds);
      record('kill -9 of a worker: median wait', 's', index, usualSeconds);
      record('kill -9 of a worker: failed requests', '', index, failed);
    });
  }
  if (parts.has('fairness') && tiny !== undefined) {
    await eachRound('fairness', Math.min(rounds, 3), async (side, index) => {
      const { waitRuns, urgentRuns } = await measureFairness(side, tiny, scratch);
      record('fast model behind a burst of a slow one: wait', 'runs', index, waitRuns);
      record('priority 1 behind the same burst: wait', 'runs', index, urgentRuns);
    });
  }
  if (parts.has('owners') && tiny !== undefined) {
    await eachRound('owners', Math.min(rounds, 3), async (side, index) => {
      const { aloneP99, besideP99, failed } = await measureOwners(side, tiny, { scratch, seconds });
      record('owner with 100 requests/s: p99', 'ms', index, aloneP99);
      record('the same beside an owner with 10,000 outstanding: p99', 'ms', index, besideP99);
      record('p99 beside an owner with 10,000 outstanding ÷ p99 alone', '', index, besideP99 / aloneP99);
      record('the same: failed or not sent', '', index, failed);
    });
  }
  if (parts.has('soak')) await measureSoak();
  progress('');
  const how = `closed loops by ${CLOSED_LOOP_CLIENT}; medians of interleaved rounds (${rounds} of ${seconds} s for loads).`;
  console.log(comparison.markdown({ other: other.commit, how }));
  if (flags.json !== undefined) writeFileSync(flags.json, JSON.stringify(comparison, undefined, 2));
} finally {
  rmSync(scratch, { recursive: true });
}

/** Loads that need both stacks up: the side that is not loaded is idle meanwhile. */
async function compareRunning(models: readonly BenchModel[]): Promise<void> {
  const running: RunningSide[] = [];
  try {
    for (const side of sides) running.push(await startSide(side));
    for (const model of models) {
      const pushed = new Map<RunningSide, BenchModel & { readonly bestRows: number }>();
      for (const side of running) {
        progress(`${side.name}: pushing ${model.name}`);
        pushed.set(side, await pushModel(side, model));
      }
      const of = (side: RunningSide): BenchModel & { readonly bestRows: number } =>
        pushed.get(side) ?? { ...model, bestRows: 1 };
      if (model.name === TINY && parts.has('latency')) {
        for (const inFlight of IN_FLIGHT) {
          await inTurn(running, `latency at ${inFlight}`, (side, index) =>
            measureClosedLoop(side, index, { model: of(side), inFlight }),
          );
        }
      }
      if (model.name === TINY && parts.has('open')) {
        await inTurn(running, 'open loop', (side, index) => measureOpenLoop(side, index, of(side)));
      }
      if (parts.has('ratio')) {
        await inTurn(running, `${model.name} against the bare runtime`, (side, index) =>
          measureRatio(side, index, of(side)),
        );
      }
    }
  } finally {
    for (const side of running) await side.stop();
  }
}

async function measureClosedLoop(
  { stack }: RunningSide,
  index: number,
  { model, inFlight }: { readonly model: BenchModel; readonly inFlight: number },
): Promise<void> {
  const plan = { ...jsonRequest(stack.url, model), inFlight, seconds };
  // The warm-up is a run of its own, so that the usage between the two readings belongs to the counted requests.
  await closedLoop({ ...plan, warmupSeconds: 0, seconds: 1 });
  const before = await readUsage(stack);
  const { requests, failed, perSecond, p50, p99, clientSeconds } = await closedLoop({ ...plan, warmupSeconds: 0 });
  const after = await readUsage(stack);
  const name = `${inFlight} in flight`;
  record(`${name}: requests/s`, '', index, perSecond);
  record(`${name}: p50`, 'ms', index, p50);
  record(`${name}: p99`, 'ms', index, p99);
  recordUsage(name, index, { before, after, requests });
  if (clientSeconds !== undefined) {
    const servers = totalSeconds(after) - totalSeconds(before);
    record(`${name}: CPU of the client ÷ CPU of the servers`, '', index, clientSeconds / servers);
  }
  record(`${name}: failed`, '', index, failed);
}

function totalSeconds({ apiSeconds, workerSeconds, redisSeconds }: Usage): number {
  return apiSeconds + workerSeconds + redisSeconds;
}

function recordUsage(
  name: string,
  index: number,
  { before, after, requests }: { readonly before: Usage; readonly after: Usage; readonly requests: number },
): void {
  const micros = (of: (usage: Usage) => number): number => ((of(after) - of(before)) * 1e6) / requests;
  const api = micros(({ apiSeconds }) => apiSeconds);
  const worker = micros(({ workerSeconds }) => workerSeconds);
  const redis = micros(({ redisSeconds }) => redisSeconds);
  record(`${name}: CPU per request`, 'µs', index, api + worker + redis);
  record(`${name}: CPU per request, API`, 'µs', index, api);
  record(`${name}: CPU per request, worker`, 'µs', index, worker);
  record(`${name}: CPU per request, Redis`, 'µs', index, redis);
  record(`${name}: Redis commands per request`, '', index, (after.redisCommands - before.redisCommands) / requests);
}

/** At a share of the rate that the same side reached with 64 in flight just before. */
async function measureOpenLoop({ stack }: RunningSide, index: number, model: BenchModel): Promise<void> {
  const plan = { ...jsonRequest(stack.url, model), warmupSeconds: 1, seconds };
  const best = await closedLoop({ ...plan, inFlight: 256 });
  const { p50, p99, failed, unsent } = await load({ ...plan, inFlight: 512, rate: best.perSecond * OPEN_SHARE });
  const name = `open loop at ${OPEN_SHARE * 100} %`;
  record(`${name}: p50`, 'ms', index, p50);
  record(`${name}: p99`, 'ms', index, p99);
  record(`${name}: failed or not sent`, '', index, failed + unsent);
}

async function measureRatio(
  { stack }: RunningSide,
  index: number,
  model: BenchModel & { readonly bestRows: number },
): Promise<void> {
  const bare = await bareLoop(model, 1);
  const best = model.bestRows === 1 ? bare : await bareLoop(model, model.bestRows);
  const full = await closedLoop({ ...sconceRequest(stack.url, model), inFlight: 64, warmupSeconds: 1, seconds });
  record(`${model.name}: full path ÷ bare runtime`, '', index, full.perSecond / Math.max(bare, best));
  record(`${model.name}: requests/s`, '', index, full.perSecond);
}

async function bareLoop({ onnx, row }: BenchModel, rows: number): Promise<number> {
  const plan: BarePlan = { path: onnx, inputs: repeatRow(row, rows), rows, threads: availableParallelism(), seconds };
  return (await inProcess<BareReport>(new URL('bare-loop.ts', import.meta.url), plan)).rowsPerSecond;
}

/** Resident memory under load, and after the stack was idle. */
async function measureMemory(side: Side, index: number): Promise<void> {
  const running = await startSide(side);
  try {
    const request = jsonRequest(running.stack.url, await pushModel(running, tinyModel()));
    await load({ ...request, inFlight: 1, warmupSeconds: 0, seconds: 1 });
    await sleep(Number(flags.idle) * 1_000);
    const { api, workers, redis } = running.stack.pids;
    record(`idle for ${flags.idle} s: API resident`, 'MiB', index, residentMiB(api));
    record(`idle for ${flags.idle} s: worker resident`, 'MiB', index, residentMiB(workers[0] ?? 0));
    await closedLoop({ ...request, inFlight: 64, warmupSeconds: 1, seconds: 10 });
    const name = '64 in flight for 10 s';
    record(`${name}: API (Pss)`, 'MiB', index, memoryMiB(processTree(api)));
    record(`${name}: worker (Pss)`, 'MiB', index, memoryMiB(workers));
    record(`${name}: Redis (Pss)`, 'MiB', index, memoryMiB([redis]));
    record(`${name}: whole stack (Pss)`, 'MiB', index, memoryMiB(processTree(running.stack.pid)));
  } finally {
    await running.stop();
  }
}

/** Minutes of load on this build alone: its memory must not grow, and its event loops must stay responsive. */
async function measureSoak(): Promise<void> {
  const minutes = Number(flags.minutes);
  progress(`soak: ${minutes} minutes`);
  const running = await startSide(sides[0] as Side);
  try {
    const request = jsonRequest(running.stack.url, await pushModel(running, tinyModel()));
    const figures = await soak(running.stack, { ...request, warmupSeconds: 5 }, { minutes });
    record('soak: requests/s', '', 0, figures.perSecond);
    record('soak: failed', '', 0, figures.failed);
    for (const [name, memory, lag] of [
      ['API', figures.api, figures.apiLagMs],
      ['worker', figures.worker, figures.workerLagMs],
    ] as const) {
      record(`soak: resident early, ${name}`, 'MiB', 0, memory.rss[0]);
      record(`soak: resident late, ${name}`, 'MiB', 0, memory.rss[1]);
      record(`soak: heap late ÷ early, ${name}`, '', 0, memory.heap[1] / memory.heap[0]);
      record(`soak: event loop delay p99, ${name}`, 'ms', 0, lag.p99);
      record(`soak: event loop delay p99, the worst two seconds, ${name}`, 'ms', 0, lag.worst);
    }
  } finally {
    await running.stop();
  }
}

/** From the start of `sconce up` to the first answer of a model that the stack already has. */
async function measureStart(side: Side, index: number): Promise<void> {
  const first = await startSide(side);
  const pushed = await pushModel(first, tinyModel());
  const again = await first.restart();
  try {
    const { url, path, headers, bodies } = jsonRequest(again.stack.url, pushed);
    const body = Buffer.from(bodies[0] ?? '', 'base64');
    const answer = await fetch(`${url}${path}`, { method: 'POST', headers, body });
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
    await answer.arrayBuffer();
    record('start of the stack to the first answer', 's', index, (performance.now() - again.startedMs) / 1e3);
  } finally {
    await again.stop();
  }
}

/** The perceptron that is made here. */
function tinyModel(): BenchModel {
  const model = benchModels(undefined, scratch).find(({ name }) => name === TINY);
  if (model === undefined) throw new Error(`There is no model named ${TINY}`);
  return model;
}

async function inTurn(
  running: readonly RunningSide[],
  what: string,
  measure: (side: RunningSide, index: number) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    progress(`${what}: round ${round + 1} of ${rounds}`);
    // The side that goes first changes from round to round.
    const order = round % 2 === 0 ? [0, 1] : [1, 0];
    for (const index of order) await measure(running[index] as RunningSide, index);
  }
}

async function eachRound(
  what: string,
  count: number,
  measure: (side: Side, index: number) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < count; round++) {
    progress(`${what}: round ${round + 1} of ${count}`);
    for (const [index, side] of sides.entries()) await measure(side, index);
  }
}

function record(name: string, unit: string, index: number, value: number): void {
  comparison.record(name, unit, index === 0 ? 0 : 1, value);
}

function progress(text: string): void {
  process.stderr.write(`\r\u001b[K${text}`);
}
