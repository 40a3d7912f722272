/**
 * `npm run verify:images [-- --all] [-- --keep]` builds the images and starts the compose stack, with its own project name and ports. It sends
 * requests and batches all the time. Meanwhile it kills a worker, restarts Redis, replaces the workers' image, and scales 1 → 3 → 1. Nothing
 * may fail or be lost. `--all` also starts the collector, Jaeger, Prometheus and Grafana. `--keep` does not remove the stack. It needs a Docker
 * engine (DOCKER_HOST).
 */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { SconceClient, type TableRequest } from '@sconce/client';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIGITS = join(ROOT, 'examples/digits/digits.pt');
const HELDOUT = join(ROOT, 'examples/digits/heldout.csv');
const VERSIONS = ['verify-1', 'verify-2'] as const;
const IMAGE = { api: 'ghcr.io/sconce/api', worker: 'ghcr.io/sconce/worker' } as const;

const MAX_WORKER_IMAGE_MB = 350;
const MAX_IDLE_MB = { api: 120, worker: 130 } as const;
const IDLE_MS = 60_000;
/** Online requests in flight all the time. */
const CLIENTS = 8;
/** How long a request may take: after a worker is killed, its requests are delivered again when their lock expires. */
const REQUEST_TIMEOUT_MS = 60_000;
/** How many copies of the held-out rows are in one batch. */
const COPIES = 400;
/** How long the load runs before and after each event. */
const SETTLE_MS = 8_000;

const { values: options } = parseArgs({
  options: { all: { type: 'boolean', default: false }, keep: { type: 'boolean', default: false } },
});
const run = promisify(execFile);
const rows: { readonly what: string; readonly measured: string; readonly wanted: string; readonly ok: boolean }[] = [];

function check(what: string, measured: string | number, wanted: string, ok: boolean): void {
  rows.push({ what, measured: String(measured), wanted, ok });
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${what}: ${measured} (${wanted})`);
}

/** The command of Compose on this machine. Ends the program when Compose or the engine is missing. */
function findCompose(): readonly string[] {
  const succeeds = ([program = '', ...args]: readonly string[]): boolean => spawnSync(program, args).status === 0;
  if (!succeeds(['docker', 'version'])) {
    console.error(
      'No Docker engine answers. Start one, or set DOCKER_HOST to its address. `docker version` must succeed.',
    );
    process.exit(2);
  }
  const found = [['docker', 'compose'], ['docker-compose']].find((command) => succeeds([...command, 'version']));
  if (found !== undefined) return found;
  console.error('Docker Compose is missing. Install its plugin: `docker compose version` must succeed.');
  process.exit(2);
}

const composeCommand = findCompose();
const project = `sconce-verify-${process.pid}`;
const [API_PORT, METRICS_PORT, JAEGER_PORT, PROMETHEUS_PORT, GRAFANA_PORT] = await freePorts(5);
const ports = { API_PORT, METRICS_PORT, JAEGER_PORT, PROMETHEUS_PORT, GRAFANA_PORT };

async function compose(args: readonly string[], version: string = VERSIONS[0]): Promise<void> {
  const [program = '', ...first] = composeCommand;
  const all = [...first, '-p', project, '-f', join(ROOT, 'deploy/compose.yaml'), ...args];
  const env = { ...process.env, DOCKER_BUILDKIT: '1', COMPOSE_DOCKER_CLI_BUILD: '1', VERSION: version, ...ports };
  await run(program, all, { env, maxBuffer: 1024 ** 3 }).catch((error: unknown) => {
    throw new Error(`${[program, ...all].join(' ')}: ${(error as { stderr?: string }).stderr ?? String(error)}`);
  });
}

async function docker(...args: readonly string[]): Promise<string> {
  return (await run('docker', args)).stdout.trim();
}

async function containersOf(service: string): Promise<string[]> {
  const labels = ['project', 'service'].map(
    (key) => `label=com.docker.compose.${key}=${key === 'project' ? project : service}`,
  );
  return (await docker('ps', '-q', ...labels.flatMap((label) => ['--filter', label]))).split('\n').filter(Boolean);
}

async function freePorts(count: number): Promise<string[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  return servers.map((server) => {
    const { port } = server.address() as AddressInfo;
    server.close();
    return String(port);
  });
}

/** Scales the workers and waits until that many are healthy. */
async function scaleWorkers(count: number, version: string = VERSIONS[0]): Promise<void> {
  await compose(['up', '-d', '--no-deps', '--scale', `worker=${count}`, 'worker'], version);
  await until(`${count} healthy workers`, async () => {
    const ids = await containersOf('worker');
    const states = await Promise.all(ids.map((id) => docker('inspect', '-f', '{{.State.Health.Status}}', id)));
    return states.length === count && states.every((state) => state === 'healthy');
  });
}

async function until(what: string, done: () => Promise<boolean>, timeoutMs = 120_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await done().catch(() => false))) {
    if (performance.now() > end) throw new Error(`${what}: not there after ${timeoutMs / 1_000} s`);
    await delay(250);
  }
}

/** Resident memory of a container's main process, MB. */
async function residentMb(container: string): Promise<number> {
  const script =
    'for p in /proc/[0-9]*; do if tr "\\0" " " <$p/cmdline | grep -q "^node main.js"; then grep VmRSS $p/status; fi; done';
  const text = await docker('exec', container, 'bash', '-c', script);
  return (Number(/\d+/.exec(text)?.[0]) * 1_024) / 1e6;
}

/** Collects the exit codes of the project's containers from now on. */
function watchExits(): { readonly exits: { readonly service: string; readonly code: string }[]; stop(): void } {
  const exits: { service: string; code: string }[] = [];
  const filters = ['event=die', `label=com.docker.compose.project=${project}`].flatMap((filter) => [
    '--filter',
    filter,
  ]);
  const events = spawn('docker', ['events', ...filters, '--format', '{{json .Actor.Attributes}}'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  createInterface(events.stdout).on('line', (line) => {
    const attributes = JSON.parse(line) as Record<string, string>;
    exits.push({ service: attributes['com.docker.compose.service'] ?? '', code: attributes['exitCode'] ?? '' });
  });
  return { exits, stop: () => void events.kill() };
}

/** Sends requests of one row, `CLIENTS` at a time, until it is stopped. */
class OnlineLoad {
  readonly failures: string[] = [];
  answered = 0;
  slowestMs = 0;
  wrong = 0;
  during = 'nothing';
  readonly #body: string;
  readonly #expected: string;
  readonly #clients: Promise<void>[];
  #stopping = false;

  constructor(url: string, body: string, expected: string) {
    this.#body = body;
    this.#expected = expected;
    this.#clients = Array.from({ length: CLIENTS }, () => this.#client(url));
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#clients);
  }

  async #client(url: string): Promise<void> {
    while (!this.#stopping) {
      const start = performance.now();
      try {
        const answer = await request(url, this.#body);
        this.answered += 1;
        if (answer !== this.#expected) this.wrong += 1;
      } catch (error) {
        this.failures.push(
          `while ${this.during}, after ${Math.round(performance.now() - start)} ms: ${(error as Error).message}`,
        );
        await delay(200);
      }
      this.slowestMs = Math.max(this.slowestMs, performance.now() - start);
      await delay(10);
    }
  }
}

/** Sends one request. Returns its outputs. */
async function request(url: string, body: string): Promise<string> {
  const answer = await fetch(`${url}/v2/models/digits/infer`, {
    method: 'POST',
    body,
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${answer.status} ${text}`);
  return JSON.stringify((JSON.parse(text) as { outputs: unknown }).outputs);
}

const REQUEST: TableRequest = {
  model: 'digits',
  inputs: { pixels: 'p*' },
  outputs: [{ name: 'digit', transform: 'argmax' }],
  pass_through: ['id'],
  output_format: 'csv',
};

/** Retries a call that fails while Redis restarts. With the same idempotency key a second submission is the same batch. */
async function retryUntilTimeout<T>(call: () => Promise<T>): Promise<T> {
  for (const end = performance.now() + REQUEST_TIMEOUT_MS; ; await delay(500)) {
    try {
      return await call();
    } catch (error) {
      if (performance.now() > end) throw error;
    }
  }
}

/** Scores batches one after the other until it is stopped. Each must have every row once, in order, and the bytes of the first batch. */
class BatchLoad {
  readonly failures: string[] = [];
  batches = 0;
  rows = 0;
  readonly #client: SconceClient;
  readonly #dataset: string;
  readonly #ended: Promise<void>;
  #digest: string | undefined;
  #stopping = false;

  constructor(client: SconceClient, dataset: string) {
    this.#client = client;
    this.#dataset = dataset;
    this.#ended = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#ended;
  }

  async #run(): Promise<void> {
    const count = this.#dataset.split('\n').length - 2;
    while (!this.#stopping) {
      try {
        const key = randomUUID();
        const submitted = await retryUntilTimeout(() =>
          this.#client.batches.score(REQUEST, new Blob([this.#dataset]), { filename: 'rows.csv', idempotencyKey: key }),
        );
        const batch = await retryUntilTimeout(() => this.#client.batches.wait(submitted.id));
        const output = await retryUntilTimeout(async () =>
          new Response(await this.#client.batches.output(batch.id)).text(),
        );
        const ids = output
          .trimEnd()
          .split('\n')
          .slice(1)
          .map((line) => line.split(',')[0]);
        const inOrder = ids.length === count && ids.every((id, index) => id === String(index));
        const digest = createHash('sha256').update(output).digest('hex');
        this.#digest ??= digest;
        if (batch.status !== 'completed' || !inOrder || digest !== this.#digest) {
          this.failures.push(
            `${batch.id}: ${batch.status}, ${ids.length} of ${count} rows${inOrder ? '' : ', not each once in order'}`,
          );
        }
        this.batches += 1;
        this.rows += ids.length;
      } catch (error) {
        this.failures.push((error as Error).message);
        await delay(500);
      }
    }
  }
}

/** The held-out rows, repeated, each with its own id. */
function dataset(): string {
  const [head = '', ...lines] = readFileSync(HELDOUT, 'utf8').trimEnd().split('\n');
  const all = Array.from({ length: COPIES }, () => lines).flat();
  return `${head}\n${all.map((line, index) => `${index}${line.slice(line.indexOf(','))}`).join('\n')}\n`;
}

async function verify(): Promise<void> {
  console.log('building the images …');
  await compose(['build', 'api', 'worker']);
  const sizeMb = Number(await docker('image', 'inspect', '-f', '{{.Size}}', `${IMAGE.worker}:${VERSIONS[0]}`)) / 1e6;
  check('worker image', `${sizeMb.toFixed(0)} MB`, `< ${MAX_WORKER_IMAGE_MB} MB`, sizeMb < MAX_WORKER_IMAGE_MB);

  const watch = watchExits();
  try {
    await compose(['up', '-d', '--scale', 'worker=2', ...(options.all ? [] : ['redis', 'api', 'worker'])]);
    const client = new SconceClient({ url: `http://127.0.0.1:${API_PORT}` });
    await until('the API', () => client.ready());
    await client.models.push('digits', readFileSync(DIGITS), {});
    await client.models.waitUntilReady('digits', '1');
    const pixels = {
      name: 'pixels',
      datatype: 'FP32',
      shape: [1, 64],
      data: Array.from({ length: 64 }, (_, index) => index % 17),
    };
    const body = JSON.stringify({ inputs: [pixels], parameters: { timeout: REQUEST_TIMEOUT_MS * 1_000 } });
    const expected = await request(client.url, body);

    console.log(`idle for ${IDLE_MS / 1_000} s …`);
    await delay(IDLE_MS);
    for (const service of ['api', 'worker'] as const) {
      const most = Math.max(...(await Promise.all((await containersOf(service)).map(residentMb))));
      check(`idle ${service}`, `${most.toFixed(1)} MB`, `< ${MAX_IDLE_MB[service]} MB`, most < MAX_IDLE_MB[service]);
    }

    const online = new OnlineLoad(client.url, body, expected);
    const batches = new BatchLoad(client, dataset());
    const underLoad = async (what: string, act: () => Promise<void>): Promise<void> => {
      console.log(`${what} …`);
      await delay(SETTLE_MS);
      online.during = what;
      await act();
      await delay(SETTLE_MS);
    };
    await underLoad('killing a worker', async () => {
      await docker('kill', (await containersOf('worker'))[0] ?? '');
      await scaleWorkers(2);
    });
    await underLoad('restarting Redis', () => compose(['restart', 'redis']));
    await underLoad('rolling the workers', async () => {
      await docker('tag', `${IMAGE.worker}:${VERSIONS[0]}`, `${IMAGE.worker}:${VERSIONS[1]}`);
      await docker('tag', `${IMAGE.api}:${VERSIONS[0]}`, `${IMAGE.api}:${VERSIONS[1]}`);
      await scaleWorkers(2, VERSIONS[1]);
    });
    for (const count of [1, 3, 1]) await underLoad(`scaling to ${count}`, () => scaleWorkers(count, VERSIONS[1]));
    await batches.stop();
    await online.stop();

    for (const failure of [...online.failures, ...batches.failures].slice(0, 20)) console.log(`  ${failure}`);
    check(
      'failed online requests',
      `${online.failures.length} of ${online.answered + online.failures.length}`,
      '0',
      online.failures.length === 0,
    );
    check('wrong answers', online.wrong, '0', online.wrong === 0);
    check(
      'slowest request',
      `${(online.slowestMs / 1_000).toFixed(1)} s`,
      `< ${REQUEST_TIMEOUT_MS / 1_000} s`,
      online.slowestMs < REQUEST_TIMEOUT_MS,
    );
    check(
      'batches with lost, doubled or other rows',
      `${batches.failures.length} of ${batches.batches}, ${batches.rows} rows`,
      '0',
      batches.failures.length === 0 && batches.batches > 0,
    );
    // The killed worker ends with 137. Every other worker got SIGTERM.
    const codes = watch.exits.filter(({ service }) => service === 'worker').map(({ code }) => code);
    const graceful = codes.filter((code) => code !== '137');
    check(
      'exit codes of workers',
      codes.join(' '),
      'one 137, else 0',
      codes.length - graceful.length === 1 && graceful.every((code) => code === '0'),
    );
  } finally {
    watch.stop();
  }
}

/** Removes the stack and the images, once. */
let cleaned: Promise<void> | undefined;
function clean(): Promise<void> {
  return (cleaned ??= (async () => {
    if (options.keep) {
      console.log(`kept: ${composeCommand.join(' ')} -p ${project} -f deploy/compose.yaml down -v`);
      return;
    }
    await compose(['down', '-v', '--remove-orphans', '-t', '45']);
    const images = Object.values(IMAGE).flatMap((image) => VERSIONS.map((version) => `${image}:${version}`));
    for (const image of images) await docker('rmi', image).catch(() => undefined);
  })());
}
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void clean().finally(() => process.exit(130)));

try {
  await verify();
} finally {
  await clean();
}
console.log(`\n| what | measured | wanted | |\n| --- | --- | --- | --- |`);
for (const { what, measured, wanted, ok } of rows)
  console.log(`| ${what} | ${measured} | ${wanted} | ${ok ? 'ok' : 'FAIL'} |`);
process.exitCode = rows.every(({ ok }) => ok) ? 0 : 1;
