/**
 * What serving costs over the runtime itself, on one machine: HTTP client → API → Redis → worker → thread → back, all of it sharing
 * the cores, against threads that do nothing but run the model; latencies in closed and open loops; what is compared is run in turn, round after round; medians count.
 *
 *     npm run build
 *     python bench/peers/export_models.py MODELS --served        # optional: without it two perceptrons
 *     node --conditions=@sconce/source bench/serving/suite.bench.ts [--models MODELS] [--only mlp,resnet18] [--rounds 5] [--seconds 4]
 *         [--json OUT.json] > docs/performance.md
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SconceClient } from '@sconce/client';
import { bindCall, encodeInferRequest } from '@sconce/tensor';
import { inProcess, load, median } from '../support/in-process.ts';
import type { LoadPlan, LoadReport } from '../support/load-client.ts';
import { startBenchStack, type BenchStack } from '../support/stack.ts';
import type { BarePlan, BareReport } from './bare-loop.ts';
import { markdown, type ModelFigures, type SuiteFigures } from './report.ts';
import { benchModels, repeatRow, type BenchModel } from './models.ts';

const { values: flags } = parseArgs({
  options: {
    models: { type: 'string' },
    only: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    json: { type: 'string' },
  },
});
const rounds = Number(flags.rounds);
const seconds = Number(flags.seconds);
const threads = availableParallelism();
const IN_FLIGHT = [1, 8, 64, 256] as const;
const SHARES = [0.3, 0.6, 0.8] as const;
/** The model whose own run costs next to nothing: what is measured with it is us. */
const TINY = 'mlp';

const folder = mkdtempSync(join(tmpdir(), 'sconce-bench-'));
const stack = await startBenchStack({ data: join(folder, 'data') });
try {
  const only = flags.only?.split(',');
  const models = benchModels(flags.models, folder).filter(({ name }) => only?.includes(name) ?? true);
  const figures: ModelFigures[] = [];
  for (const model of models) figures.push(await measureModel(model));
  const tiny = models.find(({ name }) => name === TINY);
  const suite: SuiteFigures = {
    machine: `${threads} × ${cpus()[0]?.model ?? '?'}`,
    node: process.version,
    rounds,
    seconds,
    models: figures,
    ...(tiny === undefined ? {} : { latency: await measureLatency(tiny) }),
  };
  console.log(markdown(suite));
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(suite, undefined, 2)}\n`);
} finally {
  await stack.stop();
  rmSync(folder, { recursive: true });
}

/** Bare loops and the full path in turn. */
async function measureModel(model: BenchModel): Promise<ModelFigures> {
  const client = new SconceClient({ url: stack.url });
  await client.models.push(model.name, new Uint8Array(readFileSync(model.path)), { version: '1' });
  const { performance: measured, signature } = await client.models.waitUntilReady(model.name, '1');
  const bestRows = measured?.best_rows ?? 1;
  const row = bindCall({ tensors: model.row, byName: false }, signature?.inputs ?? []);
  const bare: number[] = [];
  const bareBest: number[] = [];
  const full: LoadReport[] = [];
  for (let round = 0; round < rounds; round++) {
    progress(`${model.name}: round ${round + 1} of ${rounds}`);
    bare.push((await bareLoop(model, 1)).rowsPerSecond);
    full.push(await load(planOf(stack, { ...model, row }, { inFlight: 64 })));
    bareBest.push(bestRows === 1 ? (bare.at(-1) ?? 0) : (await bareLoop(model, bestRows)).rowsPerSecond);
  }
  return {
    name: model.name,
    bestRows,
    bare: median(bare),
    bareBest: median(bareBest),
    full: median(full.map(({ perSecond }) => perSecond)),
    ratio: median(full.map(({ perSecond }, round) => perSecond / Math.max(bare[round] ?? 0, bareBest[round] ?? 0))),
    p50: median(full.map(({ p50 }) => p50)),
    p99: median(full.map(({ p99 }) => p99)),
    failed: full.reduce((sum, { failed }) => sum + failed, 0),
  };
}

function bareLoop(model: BenchModel, rows: number): Promise<BareReport> {
  const plan: BarePlan = { path: model.onnx, inputs: repeatRow(model.row, rows), rows, threads, seconds };
  return inProcess<BareReport>(new URL('bare-loop.ts', import.meta.url), plan);
}

/** Closed loops in turn, then open ones at shares of the most that came through. */
async function measureLatency(given: BenchModel): Promise<SuiteFigures['latency']> {
  const { signature } = await new SconceClient({ url: stack.url }).models.get(given.name, '1');
  const model = { ...given, row: bindCall({ tensors: given.row, byName: false }, signature?.inputs ?? []) };
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
  const summary = (reports: readonly LoadReport[]): Omit<LoadReport, 'requests'> => ({
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

function planOf({ url }: BenchStack, { name, row }: BenchModel, shape: Pick<LoadPlan, 'inFlight' | 'rate'>): LoadPlan {
  const { body, headerLength } = encodeInferRequest({ inputs: row, binary: true });
  return {
    url,
    path: `/v2/models/${name}/infer`,
    headers: {
      'content-type': 'application/octet-stream',
      'inference-header-content-length': String(headerLength),
    },
    bodies: [Buffer.from(body).toString('base64')],
    warmupSeconds: 1,
    seconds,
    ...shape,
  };
}

function progress(text: string): void {
  process.stderr.write(`\r\u001b[K${text}`);
}
