/**
 * `sconce serve` with a small perceptron (10 → 20 → 5): first start, start with a kept compilation, memory, latency and rate. The result is
 * Markdown on stdout.
 *
 *     node --conditions=@sconce/source bench/serving/serve.bench.ts [--rounds 5] [--seconds 4] [--python PYTHON --models MODELS]
 *
 * With --python (the packages of `bench/peers/requirements.txt`) and --models (`bench/peers/export_models.py MODELS --served`), it measures
 * the model `mlp` of that folder, and FastAPI with TorchScript in turn with it.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createServer, type AddressInfo } from 'node:net';
import { writeLargeModel } from '../registration/large-model.ts';
import { median } from '../support/in-process.ts';
import { startServer, type ServerCommand } from '../support/processes.ts';
import { SCONCE, jsonRequest, residentMiB } from '../support/stack.ts';
import { CLOSED_LOOP_CLIENT, closedLoop } from '../support/wrk.ts';
import { benchModels, type BenchModel } from './models.ts';
import { peerRequest } from './peers.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    python: { type: 'string' },
    models: { type: 'string' },
  },
});
const FASTAPI = fileURLToPath(new URL('../peers/fastapi_app.py', import.meta.url));
const IN_FLIGHT = [1, 64] as const;
const scratch = mkdtempSync(join(tmpdir(), 'sconce-serve-bench-'));

interface Measured {
  readonly startMs: number;
  readonly idleMiB: number;
  readonly loadedMiB: number;
  readonly p50: readonly number[];
  readonly p99: readonly number[];
  readonly perSecond: readonly number[];
}

async function measure(server: ServerCommand): Promise<Measured> {
  const running = await startServer(server);
  try {
    const idleMiB = residentMiB(running.pid);
    const reports = [];
    for (const inFlight of IN_FLIGHT) {
      reports.push(
        await closedLoop({ ...server.request, inFlight, warmupSeconds: 1, seconds: Number(values.seconds) }),
      );
    }
    return {
      startMs: running.coldStartMs,
      idleMiB,
      loadedMiB: residentMiB(running.pid),
      p50: reports.map(({ p50 }) => p50),
      p99: reports.map(({ p99 }) => p99),
      perSecond: reports.map(({ perSecond }) => perSecond),
    };
  } finally {
    await running.stop();
  }
}

function perceptron(): BenchModel {
  mkdirSync(scratch, { recursive: true });
  const path = join(scratch, 'mlp.onnx');
  writeLargeModel(path, [10, 20, 5]);
  const data = new Uint8Array(Float32Array.from({ length: 10 }, (_, i) => Math.sin(i)).buffer);
  return { name: 'mlp', path, onnx: path, row: [{ name: 'x', datatype: 'FP32', shape: [1, 10], data }] };
}

const exported = values.models === undefined ? [] : benchModels(values.models, scratch);
const served = exported.find(({ name }) => name === 'mlp') ?? perceptron();

async function serveCommand(): Promise<ServerCommand> {
  const port = await freePort();
  return {
    command: process.execPath,
    args: [SCONCE, 'serve', `${served.name}=${served.path}`, '--port', String(port), '--cache', join(scratch, 'cache')],
    env: { SCONCE_LOG_LEVEL: 'error' },
    request: jsonRequest(`http://127.0.0.1:${port}`, served),
  };
}

async function fastApiCommand(python: string): Promise<ServerCommand> {
  const port = await freePort();
  return {
    command: python,
    args: [
      FASTAPI,
      '--model',
      served.name,
      '--models',
      values.models ?? '',
      '--form',
      'torchscript',
      '--port',
      String(port),
    ],
    request: peerRequest(`http://127.0.0.1:${port}`, served.row),
  };
}

function row(name: string, rounds: readonly Measured[]): string {
  const of = (pick: (measured: Measured) => number | undefined, digits = 0): string =>
    median(rounds.map((measured) => pick(measured) ?? NaN)).toFixed(digits);
  const cells = [
    of(({ startMs }) => startMs),
    of(({ idleMiB }) => idleMiB),
    of(({ loadedMiB }) => loadedMiB),
    ...IN_FLIGHT.flatMap((_, i) => [
      of(({ perSecond }) => perSecond[i]),
      `${of(({ p50 }) => p50[i], 2)} / ${of(({ p99 }) => p99[i], 2)}`,
    ]),
  ];
  return `| ${[name, ...cells].join(' | ')} |`;
}

try {
  const first = await startServer(await serveCommand());
  const firstMs = first.coldStartMs;
  await first.stop();
  const ours: Measured[] = [];
  const theirs: Measured[] = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    ours.push(await measure(await serveCommand()));
    if (values.python !== undefined) theirs.push(await measure(await fastApiCommand(values.python)));
  }
  const heads = IN_FLIGHT.flatMap((n) => [`requests/s at ${n}`, `p50 / p99 ms`]);
  console.log(`First start, which compiles: ${firstMs.toFixed(0)} ms. Client: ${CLOSED_LOOP_CLIENT}.\n`);
  console.log(`| server | start ms | MiB idle | MiB under load | ${heads.join(' | ')} |`);
  console.log(`|${' --- |'.repeat(4 + heads.length)}`);
  console.log(row('sconce serve', ours));
  if (theirs.length > 0) console.log(row('FastAPI, TorchScript', theirs));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
