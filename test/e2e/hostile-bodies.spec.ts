import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '@sconce/testing';
import { hostileBodies } from '../support/hostile-bodies.ts';
import { affineRequest, startStack, type Stack } from '../support/stack.ts';

const SEED = Number(process.env['HOSTILE_SEED'] ?? 17);
/** Bytes of a body, unpacked. A body of the size that the API takes is tried once, below. */
const BODY_BYTES = 1_200_000;
/** A body that stops the event loop for a second does so each time. A machine that is busy elsewhere does not. */
const MAX_DELAY_MS = 700;
const ATTEMPTS = 3;
const MAX_MEMORY_MIB = 700;

interface Operation {
  readonly method: string;
  readonly path: string;
}

const openapi = JSON.parse(readFileSync('docs/openapi.json', 'utf8')) as {
  paths: Record<string, Record<string, unknown>>;
};
const operations: Operation[] = Object.entries(openapi.paths).flatMap(([path, methods]) =>
  ['post', 'put', 'patch']
    .filter((method) => method in methods)
    .map((method) => ({ method: method.toUpperCase(), path })),
);
const bodies = hostileBodies(SEED, BODY_BYTES);
const parameters: Readonly<Record<string, string>> = { id: 'none', model: 'affine', version: '1' };
/** These may change the state of their model. */
const CHANGING = /^\/v2\/repository\/models|^\/v1\/models/;

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ env: { SCONCE_MAX_BODY_BYTES: '64000000' } });
  await stack.push('affine');
});

function urlOf({ path }: Operation): string {
  const own = CHANGING.test(path) ? { ...parameters, model: 'other' } : parameters;
  return path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => own[name] ?? 'x');
}

/** A figure of the API's metrics. Reading it starts the delay of the event loop again. */
async function metric(pattern: RegExp): Promise<number> {
  const text = await (await fetch(`${stack.api.ready.metricsUrl}/metrics`)).text();
  return text
    .split('\n')
    .filter((line) => pattern.test(line))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** Does something, and returns how long the event loop of the API stood still at most: of several attempts the least. */
async function delayMs(work: () => Promise<void>): Promise<number> {
  let least = Infinity;
  for (let attempt = 0; attempt < ATTEMPTS && least > MAX_DELAY_MS; attempt++) {
    await metric(/^$/);
    await work();
    least = Math.min(least, 1_000 * (await metric(/^nodejs_eventloop_delay_max_seconds/)));
  }
  return least;
}

async function send(operation: Operation, body: Buffer, headers = {}): Promise<{ status: number; text: string }> {
  const answer = await stack.fetch(urlOf(operation), { method: operation.method, body, headers });
  return { status: answer.status, text: await answer.text() };
}

const memoryMib = (): number =>
  Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${stack.api.pid}/status`, 'utf8'))?.[1]) / 1_024;

describe(`bodies of seed ${SEED}`, () => {
  it.each(operations)('$method $path refuses them with a reason, and goes on', async (operation) => {
    const answers: string[] = [];
    const delay = await delayMs(async () => {
      for (const { name, body, headers } of bodies) {
        const { status, text } = await send(operation, body, headers);
        if (status >= 400 && status < 500 && text.length > 20 && !text.includes('Internal error')) continue;
        answers.push(`${name}: ${status} ${text.slice(0, 200)}`);
      }
    });
    // What a route without a body does with one is its own affair, as long as it is no fault of the server.
    expect(answers.filter((answer) => !/: 2\d\d /.test(answer))).toEqual([]);
    expect(delay).toBeLessThan(MAX_DELAY_MS);
    expect((await stack.fetch('/v2/health/ready')).status).toBe(200);
  });

  it('the API has little memory after all of them, and answers', async () => {
    expect(memoryMib()).toBeLessThan(MAX_MEMORY_MIB);
    const answer = await stack.fetch('/v2/models/affine/infer', affineRequest([[1, 2, 3, 4]]));
    expect(answer.status).toBe(200);
    expect(await metric(/^http_server_request_duration_seconds_count.*status_code="5/)).toBe(0);
  });
});

it.each(['/v2/models/affine/infer', '/v2/repository/index', '/v1/jobs'])(
  '58 KB of gzip that unpack to 57 MiB of empty arrays do not stop %s',
  async (path) => {
    const body = gzipSync(Buffer.from(`{"inputs":[${'[],'.repeat(19_900_000)}[]]}`));
    const delay = await delayMs(async () => {
      const { status, text } = await send({ method: 'POST', path }, body, { 'content-encoding': 'gzip' });
      expect([400, 413]).toContain(status);
      expect(text).toMatch(/32768 values|1048576 bytes/);
    });
    expect(delay).toBeLessThan(MAX_DELAY_MS);
    expect(memoryMib()).toBeLessThan(MAX_MEMORY_MIB);
  },
);

it('a large valid request is answered, and its answer is whole', async () => {
  const rows = 200_000;
  const data = `${'1.25,2,3,4,'.repeat(rows - 1)}1.25,2,3,4`;
  const body = Buffer.from(`{"inputs":[{"name":"x","datatype":"FP32","shape":[${rows},4],"data":[${data}]}]}`);
  const delay = await delayMs(async () => {
    const { status, text } = await send({ method: 'POST', path: '/v2/models/affine/infer' }, body);
    expect(status).toBe(200);
    const { outputs } = JSON.parse(text) as { outputs: { shape: number[]; data: number[] }[] };
    expect(outputs[0]?.shape[0]).toBe(rows);
    expect(outputs[0]?.data).toHaveLength(rows * (outputs[0]?.shape[1] ?? 1));
  });
  expect(delay).toBeLessThan(MAX_DELAY_MS);
});

it('callers that hang up are no errors of the server', async () => {
  const { port } = new URL(stack.url);
  for (const { method, path } of operations) {
    const socket = connect(Number(port), '127.0.0.1');
    socket.on('error', () => undefined);
    const type = path.includes('files') ? 'multipart/form-data; boundary=b' : 'application/json';
    const part = path.includes('files')
      ? '--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\nrow'
      : '{"inputs":[';
    socket.write(
      `${method} ${urlOf({ method, path })} HTTP/1.1\r\nhost: x\r\ncontent-type: ${type}\r\ncontent-length: 100000\r\n\r\n${part}`,
    );
    await new Promise((resolve) => setTimeout(resolve, 30));
    socket.destroy();
  }
  await eventually(async () => {
    expect(await metric(/^http_server_request_duration_seconds_count.*error_type="caller_gone"/)).toBeGreaterThan(3);
  });
  expect(await metric(/^http_server_request_duration_seconds_count.*status_code="5/)).toBe(0);
});
