/**
 * Measures the cost of serving on one machine. The full path (HTTP client → API → Redis → worker → thread → back, all on the
 * same cores) is compared with threads that only run the model. Also measured: latencies in closed and open loops, memory of
 * threads, overload, and alternatives to Sconce. Measurements that are compared run in turn, round after round; medians count.
 *
 *     npm run build
 *     python bench/peers/export_models.py MODELS --served        # optional: without it two perceptrons
 *     node --conditions=@sconce/source bench/serving/suite.bench.ts [--models MODELS] [--python PYTHON] [--only mlp,resnet18]
 *         [--parts ratio,latency,threads,overload,peers,torch,soak] [--rounds 3] [--seconds 4] [--minutes 10] [--json OUT.json]
 *         [--with EARLIER.json] > docs/performance.md
 *
 * `--python` names a Python with the packages of `bench/peers/requirements.txt`. With it and MODELS, PyTorch and its servers are
 * measured too. The soak runs only if `--parts` names it. `--with` reads figures of other parts from the JSON of an earlier run.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SconceClient } from '@sconce/client';
import { bindCall } from '@sconce/tensor';
import { inProcess, load, median } from '../support/in-process.ts';
import type { LoadPlan, LoadReport } from '../support/load-client.ts';
import { sconceRequest, startBenchStack, type BenchStack } from '../support/stack.ts';
import { closedLoop, type ClosedLoopReport } from '../support/wrk.ts';
import type { BarePlan, BareReport } from './bare-loop.ts';
import { benchModels, repeatRow, type BenchModel } from './models.ts';
import { measurePeers } from './peers.ts';
import { measureOverload, soak } from './pressure.ts';
import { markdown, spreadOf, type Latency, type ModelFigures, type SuiteFigures } from './report.ts';
import { measureThreads } from './threads.ts';
import { measureTorch } from './torch.ts';

const PARTS = ['ratio', 'latency', 'threads', 'overload', 'peers', 'torch'] as const;
const { values: flags } = parseArgs({
  options: {
    models: { type: 'string' },
    python: { type: 'string' },
    only: { type: 'string' },
    parts: { type: 'string', default: PARTS.join(',') },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    minutes: { type: 'string', default: '10' },
    json: { type: 'string' },
    with: { type: 'string' },
  },
});
const rounds = Number(flags.rounds);
const seconds = Number(flags.seconds);
const parts = new Set(flags.parts.split(','));
const threads = availableParallelism();
const IN_FLIGHT = [1, 8, 64, 256] as const;
const SHARES = [0.3, 0.6, 0.8] as const;
/** A model whose run takes almost no time, so that the rest of the path is measured. */
const TINY = 'mlp';
/** Models with long runs: the client can send ten times as many requests as can be answered. */
const HEAVY = ['encoder', 'big_mlp'];
const LARGE = 'big_mlp';
const OVERLOAD_SECONDS = 30;

const folder = mkdtempSync(join(tmpdir(), 'sconce-bench-'));
const data = join(folder, 'data');
const onProgress = progress;
const stack = await startBenchStack({ data });
try {
  const only = flags.only?.split(',');
  const models = benchModels(flags.models, folder).filter(({ name }) => only?.includes(name) ?? true);
  const pushed: BenchModel[] = [];
  const bestRows = new Map<string, number>();
  for (const model of models) {
    progress(`pushing ${model.name}`);
    const registered = await push(model);
    pushed.push(registered.model);
    bestRows.set(model.name, registered.bestRows);
  }
  const find = (...names: string[]): BenchModel | undefined => pushed.find(({ name }) => names.includes(name));
  const figures: ModelFigures[] = [];
  if (parts.has('ratio')) {
    for (const model of pushed) figures.push(await measureModel(model, bestRows.get(model.name) ?? 1));
  }
  const [tiny, heavy, large] = [find(TINY), find(...HEAVY), find(LARGE)];
  const latency = tiny && parts.has('latency') ? await measureLatency(tiny) : undefined;
  progress('overload');
  const overload =
    heavy && parts.has('overload')
      ? await measureOverload(
          stack,
          { ...sconceRequest(stack.url, heavy), warmupSeconds: 2 },
          { seconds: OVERLOAD_SECONDS, normalSeconds: seconds },
        )
      : undefined;
  progress('soak');
  const soaked =
    tiny && parts.has('soak')
      ? await soak(stack, { ...sconceRequest(stack.url, tiny), warmupSeconds: 2 }, { minutes: Number(flags.minutes) })
      : undefined;
  // The next parts start their own stacks on the stored data.
  await stack.stop();
  const byThreads =
    large && parts.has('threads')
      ? await measureThreads({ model: large, data, rounds, seconds, onProgress })
      : undefined;
  const peers =
    tiny && flags.models !== undefined && parts.has('peers')
      ? await measurePeers({
          models: flags.models,
          model: tiny,
          data,
          scratch: folder,
          python: flags.python,
          rounds,
          seconds,
          onProgress,
        })
      : undefined;
  const torch =
    flags.python !== undefined && flags.models !== undefined && parts.has('torch')
      ? await measureTorch({
          python: flags.python,
          models: flags.models,
          list: models,
          cores: threads,
          rounds,
          seconds: 1,
          onProgress,
        })
      : undefined;
  const earlier: Partial<SuiteFigures> =
    flags.with === undefined ? {} : (JSON.parse(readFileSync(flags.with, 'utf8')) as SuiteFigures);
  const suite: SuiteFigures = {
    ...earlier,
    machine: `${threads} × ${cpus()[0]?.model ?? '?'}`,
    node: process.version,
    rounds,
    seconds,
    models: figures.length === 0 ? (earlier.models ?? []) : figures,
    // A part that was not measured now keeps the figures of the earlier run.
    latency: latency ?? earlier.latency,
    threads: byThreads && large ? { model: large.name, figures: byThreads } : earlier.threads,
    overload:
      overload && heavy ? { model: heavy.name, seconds: OVERLOAD_SECONDS, figures: overload } : earlier.overload,
    soak: soaked && tiny ? { model: tiny.name, figures: soaked } : earlier.soak,
    peers: peers && tiny ? { model: tiny.name, figures: peers } : earlier.peers,
    torch: torch ?? earlier.torch,
  };
  console.log(markdown(suite));
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(suite, undefined, 2)}\n`);
} finally {
  await stack.stop();
  rmSync(folder, { recursive: true });
}

/** Pushes the model. Returns it with the names of its inputs, and the best number of rows that registration found. */
async function push(model: BenchModel): Promise<{ readonly model: BenchModel; readonly bestRows: number }> {
  const { models: client } = new SconceClient({ url: stack.url });
  await client.push(model.name, new Uint8Array(readFileSync(model.path)), { version: '1' });
  const { performance: measured, signature } = await client.waitUntilReady(model.name, '1');
  const row = bindCall({ tensors: model.row, byName: false }, signature?.inputs ?? []);
  return { model: { ...model, row }, bestRows: measured?.best_rows ?? 1 };
}

/** Measures bare loops and the full path in turn. */
async function measureModel(model: BenchModel, bestRows: number): Promise<ModelFigures> {
  const bare: number[] = [];
  const bareBest: number[] = [];
  const full: ClosedLoopReport[] = [];
  for (let round = 0; round < rounds; round++) {
    progress(`${model.name}: round ${round + 1} of ${rounds}`);
    bare.push((await bareLoop(model, 1)).rowsPerSecond);
    full.push(await closedLoop(planOf(stack, model, { inFlight: 64 })));
    bareBest.push(bestRows === 1 ? (bare.at(-1) ?? 0) : (await bareLoop(model, bestRows)).rowsPerSecond);
  }
  const ratios = full.map(({ perSecond }, round) => perSecond / Math.max(bare[round] ?? 0, bareBest[round] ?? 0));
  return {
    name: model.name,
    bestRows,
    bare: median(bare),
    bareBest: median(bareBest),
    full: median(full.map(({ perSecond }) => perSecond)),
    ratio: median(ratios),
    ratioSpread: spreadOf(ratios),
    p50: median(full.map(({ p50 }) => p50)),
    p99: median(full.map(({ p99 }) => p99)),
    failed: full.reduce((sum, { failed }) => sum + failed, 0),
  };
}

function bareLoop(model: BenchModel, rows: number): Promise<BareReport> {
  const plan: BarePlan = { path: model.onnx, inputs: repeatRow(model.row, rows), rows, threads, seconds };
  return inProcess<BareReport>(new URL('bare-loop.ts', import.meta.url), plan);
}

/** Measures closed loops in turn, then open loops at shares of the highest rate that was reached. */
async function measureLatency(model: BenchModel): Promise<SuiteFigures['latency']> {
  const closed = new Map<number, LoadReport[]>(IN_FLIGHT.map((inFlight) => [inFlight, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [inFlight, reports] of closed) {
      progress(`latency at ${inFlight} in flight: round ${round + 1} of ${rounds}`);
      reports.push(await load(planOf(stack, model, { inFlight })));
    }
  }
  const perSecond = ([, reports]: readonly [number, readonly LoadReport[]]): number =>
    median(reports.map((report) => report.perSecond));
  const saturation = Math.max(...[...closed].map(perSecond));
  const open = new Map<number, LoadReport[]>(SHARES.map((share) => [share, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [share, reports] of open) {
      progress(`latency at ${share * 100} % of saturation: round ${round + 1} of ${rounds}`);
      reports.push(await load(planOf(stack, model, { inFlight: 512, rate: saturation * share })));
    }
  }
  const summary = (reports: readonly LoadReport[]): Latency => ({
    failed: reports.reduce((sum, report) => sum + report.failed, 0),
    unsent: reports.reduce((sum, report) => sum + report.unsent, 0),
    perSecond: median(reports.map((report) => report.perSecond)),
    p50: median(reports.map((report) => report.p50)),
    p90: median(reports.map((report) => report.p90)),
    p99: median(reports.map((report) => report.p99)),
    max: Math.max(...reports.map((report) => report.max)),
  });
  return {
    model: model.name,
    saturation,
    closed: [...closed].map(([inFlight, reports]) => ({ inFlight, ...summary(reports) })),
    open: [...open].map(([share, reports]) => ({ share, ...summary(reports) })),
  };
}

function planOf({ url }: BenchStack, model: BenchModel, shape: Pick<LoadPlan, 'inFlight' | 'rate'>): LoadPlan {
  return { ...sconceRequest(url, model), warmupSeconds: 1, seconds, ...shape };
}

function progress(text: string): void {
  process.stderr.write(`\r\u001b[K${text}`);
}
