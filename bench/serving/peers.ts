import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Tensor } from '@sconce/tensor';
import { load, median } from '../support/in-process.ts';
import type { LoadPlan } from '../support/load-client.ts';
import { memoryMiB, processTree, startServer, type ServerCommand } from '../support/processes.ts';
import { SCONCE, sconceRequest } from '../support/stack.ts';
import type { BenchModel } from './models.ts';
import { spreadOf } from './report.ts';

/** Sconce and its alternatives with one small model. */
export interface PeerFigures {
  readonly name: string;
  /** Requests per second with 64 in flight, and latencies, ms. */
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly failed: number;
  /** From the start of the process to the first answer, ms. */
  readonly coldStartMs: number;
  /** Memory of all its processes under load, MiB. Shared pages count once. */
  readonly memoryMiB: number;
  /** Sconce's requests per second divided by its own; median of the ratios of all rounds. */
  readonly ratio: number;
  readonly ratioSpread: readonly [number, number];
}

type PeerRun = Omit<PeerFigures, 'name' | 'ratio' | 'ratioSpread'>;

interface Peer {
  readonly name: string;
  readonly script: string;
  readonly args: readonly string[];
}

const IN_FLIGHT = 64;
const PEERS: readonly Peer[] = [
  { name: 'BullMQ worker, as documented', script: 'plain-bullmq.ts', args: [] },
  { name: 'BullMQ worker, concurrency 64', script: 'plain-bullmq.ts', args: ['--concurrency', '64'] },
  { name: 'FastAPI, eager', script: 'fastapi_app.py', args: [] },
  { name: 'FastAPI, TorchScript', script: 'fastapi_app.py', args: ['--form', 'torchscript'] },
  {
    name: 'FastAPI, TorchScript, 2 processes',
    script: 'fastapi_app.py',
    args: ['--form', 'torchscript', '--workers', '2'],
  },
  {
    name: 'Celery + Redis, TorchScript',
    script: 'celery_app.py',
    args: ['--form', 'torchscript', '--pool', 'threads'],
  },
  { name: 'Ray Serve, TorchScript', script: 'ray_serve_app.py', args: ['--form', 'torchscript'] },
];

/**
 * Measures each server in turn, round after round: it is started, gets load while no other server runs, and is stopped. `data`
 * is the folder of a stopped stack that has the model.
 */
export async function measurePeers(options: {
  readonly models: string;
  readonly model: BenchModel;
  readonly data: string;
  readonly scratch: string;
  /** A Python with PyTorch. Without it only the servers in TypeScript are measured. */
  readonly python?: string | undefined;
  readonly rounds: number;
  readonly seconds: number;
  readonly onProgress: (text: string) => void;
}): Promise<readonly PeerFigures[]> {
  const { python, model, rounds, seconds, onProgress } = options;
  const peers = PEERS.filter(({ script }) => python !== undefined || script.endsWith('.ts'));
  const contenders = [{ name: 'Sconce' }, ...peers];
  const runs = new Map(contenders.map(({ name }) => [name, [] as PeerRun[]]));
  for (let round = 0; round < rounds; round++) {
    for (const contender of contenders) {
      onProgress(`${contender.name}: round ${round + 1} of ${rounds}`);
      const data = mkdtempSync(join(options.scratch, 'peer-'));
      try {
        const command =
          'script' in contender
            ? await peerCommand(contender, { ...options, python: python ?? '' })
            : await sconceCommand(model, options.data, data);
        runs.get(contender.name)?.push(await measure(command, seconds));
      } finally {
        rmSync(data, { recursive: true });
      }
    }
  }
  const own = runs.get('Sconce') ?? [];
  return [...runs].map(([name, figures]) => {
    const ratios = figures.map(({ perSecond }, round) => (own[round]?.perSecond ?? NaN) / perSecond);
    return {
      name,
      perSecond: median(figures.map(({ perSecond }) => perSecond)),
      p50: median(figures.map(({ p50 }) => p50)),
      p99: median(figures.map(({ p99 }) => p99)),
      failed: figures.reduce((sum, { failed }) => sum + failed, 0),
      coldStartMs: median(figures.map(({ coldStartMs }) => coldStartMs)),
      memoryMiB: median(figures.map((run) => run.memoryMiB)),
      ratio: median(ratios),
      ratioSpread: spreadOf(ratios),
    };
  });
}

async function measure(command: ServerCommand, seconds: number): Promise<PeerRun> {
  const server = await startServer(command);
  try {
    const report = await load({ ...command.request, inFlight: IN_FLIGHT, warmupSeconds: 6, seconds });
    const { perSecond, p50, p99, failed } = report;
    const memory = memoryMiB(processTree(server.pid));
    return { perSecond, p50, p99, failed, coldStartMs: server.coldStartMs, memoryMiB: memory };
  } finally {
    await server.stop();
  }
}

async function sconceCommand(model: BenchModel, from: string, data: string): Promise<ServerCommand> {
  cpSync(from, data, { recursive: true });
  const port = await freePort();
  return {
    command: process.execPath,
    args: [SCONCE, 'up', '--port', String(port), '--data', data],
    env: { SCONCE_LOG_LEVEL: 'error' },
    request: sconceRequest(`http://127.0.0.1:${port}`, model),
  };
}

async function peerCommand(
  { script, args }: Peer,
  { python, models, model }: { readonly python: string; readonly models: string; readonly model: BenchModel },
): Promise<ServerCommand> {
  const port = await freePort();
  const path = fileURLToPath(new URL(`../peers/${script}`, import.meta.url));
  const given = ['--model', model.name, '--models', models, '--port', String(port), ...args];
  return {
    ...(script.endsWith('.ts')
      ? { command: process.execPath, args: ['--no-warnings', path, ...given] }
      : { command: python, args: [path, ...given] }),
    request: peerRequest(`http://127.0.0.1:${port}`, model.row),
  };
}

/** A request to a peer: raw bytes. */
export function peerRequest(
  url: string,
  [input]: readonly Tensor[],
): Pick<LoadPlan, 'url' | 'path' | 'headers' | 'bodies'> {
  if (input === undefined) throw new Error('the model has no input');
  return {
    url,
    path: '/infer',
    headers: { 'content-type': 'application/octet-stream', 'x-shape': input.shape.join(',') },
    bodies: [Buffer.from(input.data).toString('base64')],
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
