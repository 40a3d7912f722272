/**
 * Peer: BullMQ as its documentation shows it. A Fastify server adds one job per request and waits for it with
 * `waitUntilFinished`; a worker process calls `session.run` in its processor.
 *
 *     node --no-warnings bench/peers/plain-bullmq.ts --model mlp --models FOLDER --port 9003
 *       [--threads N] [--workers N] [--concurrency N] [--redis redis://127.0.0.1:6379/0]
 *
 * `POST /infer`: body = the input's raw little-endian bytes, header `x-shape: 1,64`; answers raw float32 bytes. Prints
 * `ready` when a first job has been answered; ends on SIGTERM, with its workers and (without `--redis`) its Redis.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Queue, QueueEvents, Worker, type ConnectionOptions } from 'bullmq';
import fastify from 'fastify';
import { InferenceSession, Tensor } from 'onnxruntime-node';

/** The data of one job. JSON has no bytes, and base64 costs less than an array of numbers. */
interface Job {
  readonly shape: readonly number[];
  readonly data: string;
}

const QUEUE = 'inference';
const ANSWER_TIMEOUT_MS = 120_000;
const TOKEN_MODELS: readonly string[] = ['encoder'];
/** The shape of one row of the models whose rows are not 64 long. */
const ZERO_ROWS: Readonly<Record<string, readonly number[]>> = {
  big_mlp: [1, 1024],
  resnet18: [1, 3, 224, 224],
  mobilenet_v3_small: [1, 3, 224, 224],
};

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: 'mlp' },
    models: { type: 'string', default: '.' },
    port: { type: 'string', default: '9003' },
    /** ONNX Runtime's threads within one run. */
    threads: { type: 'string', default: '1' },
    /** Worker processes. */
    workers: { type: 'string', default: '1' },
    /** Jobs in flight in a worker process; BullMQ's default. */
    concurrency: { type: 'string', default: '1' },
    redis: { type: 'string' },
    /** Used by the server to start its workers. */
    role: { type: 'string', default: 'server' },
  },
});

function connectionTo(redis: string): ConnectionOptions {
  const { hostname, port, pathname } = new URL(redis);
  return { host: hostname, port: Number(port || 6379), db: Number(pathname.slice(1) || 0), maxRetriesPerRequest: null };
}

function toTensor({ shape, data }: Job, isTokens: boolean): Tensor {
  // A copy, aligned for both element types.
  const bytes = new Uint8Array(Buffer.from(data, 'base64')).buffer;
  return isTokens
    ? new Tensor('int64', new BigInt64Array(bytes), shape)
    : new Tensor('float32', new Float32Array(bytes), shape);
}

async function runWorker(redis: string): Promise<void> {
  let worker: Worker<Job, string> | undefined;
  const stop = (): void => void Promise.resolve(worker?.close()).then(() => process.exit(0));
  process.once('SIGTERM', stop);
  // This process ends when the server ends, for any reason.
  process.once('disconnect', stop);
  if (!process.connected) return stop();
  const session = await InferenceSession.create(join(options.models, options.model, 'model.onnx'), {
    intraOpNumThreads: Number(options.threads),
  });
  const [input = 'x'] = session.inputNames;
  const [output = 'y'] = session.outputNames;
  const isTokens = TOKEN_MODELS.includes(options.model);
  worker = new Worker<Job, string>(
    QUEUE,
    async (job) => {
      const answer = (await session.run({ [input]: toTensor(job.data, isTokens) }))[output];
      const floats = answer?.data as Float32Array;
      return Buffer.from(floats.buffer, floats.byteOffset, floats.byteLength).toString('base64');
    },
    { connection: connectionTo(redis), concurrency: Number(options.concurrency) },
  );
  worker.on('error', (error) => console.error(error.message));
  await worker.waitUntilReady();
}

interface PrivateRedis {
  readonly url: string;
  readonly process: ChildProcess;
  readonly folder: string;
}

/** A private Redis without persistence on a free port of the loopback interface. */
async function startRedis(): Promise<PrivateRedis> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  const folder = mkdtempSync(join(tmpdir(), 'peer-redis-'));
  const args = ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--appendonly', 'no', '--dir', folder];
  const server = spawn('redis-server', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  for (let attempt = 0; attempt < 500; attempt++) {
    const socket = connect(port, '127.0.0.1');
    const isUp = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isUp) return { url: `redis://127.0.0.1:${port}/0`, process: server, folder };
    await sleep(10);
  }
  server.kill();
  throw new Error('redis-server did not start: check that it is on the PATH');
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}

async function runServer(): Promise<void> {
  const app = fastify({ bodyLimit: 64 * 1024 * 1024 });
  const workers: ChildProcess[] = [];
  let redis: Promise<PrivateRedis> | undefined;
  let isStopping = false;
  const stop = async (code: number): Promise<void> => {
    if (isStopping) return;
    isStopping = true;
    const own = await redis;
    await app.close();
    await Promise.all(workers.map(end));
    if (own !== undefined) {
      await end(own.process);
      rmSync(own.folder, { recursive: true, force: true });
    }
    process.exit(code);
  };
  process.once('SIGTERM', () => void stop(0));

  const serve = async (): Promise<void> => {
    if (options.redis === undefined) redis = startRedis();
    const url = (await redis)?.url ?? options.redis ?? '';
    if (isStopping) return;
    for (let i = 0; i < Number(options.workers); i++) {
      const args = [...process.argv.slice(2), '--role', 'worker', '--redis', url];
      // A worker that ends has printed the reason. Without a worker all requests would wait for ever.
      workers.push(fork(fileURLToPath(import.meta.url), args).once('exit', () => void stop(1)));
    }
    const queue = new Queue<Job, string>(QUEUE, { connection: connectionTo(url) });
    const events = new QueueEvents(QUEUE, { connection: connectionTo(url) });
    // Ignores errors of requests while this process ends.
    queue.on('error', () => undefined);
    events.on('error', () => undefined);
    // One listener per waiting request.
    events.setMaxListeners(0);
    await events.waitUntilReady();

    const infer = async (shape: readonly number[], body: Buffer): Promise<Buffer> => {
      const data = { shape, data: body.toString('base64') };
      const job = await queue.add('infer', data, { removeOnComplete: 1000, removeOnFail: 1000 });
      return Buffer.from((await job.waitUntilFinished(events, ANSWER_TIMEOUT_MS)) as string, 'base64');
    };
    const shape = ZERO_ROWS[options.model] ?? [1, 64];
    const count = shape.reduce((product, size) => product * size, 1);
    await infer(shape, Buffer.alloc(count * (TOKEN_MODELS.includes(options.model) ? 8 : 4)));

    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    app.post('/infer', async (request, reply) => {
      const rows = String(request.headers['x-shape']).split(',').map(Number);
      return reply.type('application/octet-stream').send(await infer(rows, request.body as Buffer));
    });
    await app.listen({ host: '127.0.0.1', port: Number(options.port) });
    console.log('ready');
  };
  await serve().catch((error: unknown) => {
    if (!isStopping) console.error(error);
    return stop(1);
  });
}

await (options.role === 'worker' ? runWorker(options.redis ?? '') : runServer());
