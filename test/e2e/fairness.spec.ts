import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { hashSecret, type ApiKey } from '@sconce/keys';
import { eventually, fixturePath, temporaryFolder } from '@sconce/testing';
import type { SpanRecord } from '@sconce/trace-view';
import { sconce } from '../support/cli.ts';
import { json, startStack, type Stack } from '../support/stack.ts';

// A burst of one caller does not delay the requests of others by more than the runs under way. The worker has two threads.

const THREADS = 2;
const BURST = 16;
/** Runs that may end between a request's arrival at the API and its own run. In the order of arrival it would be almost all of the burst. */
const MOST = 2 * THREADS;
/** A run of the slow model takes 0.2 to 0.5 s: much longer than the way of a request on a busy machine. */
const STEPS = 5_000;

let stack: Stack;
beforeAll(async () => {
  const file = join(temporaryFolder('fairness'), 'keys.json');
  const key = (id: string, owner?: string): ApiKey => ({
    id,
    owner,
    sha256: hashSecret(`secret-of-${id}`),
    scopes: ['admin', 'infer'],
  });
  writeFileSync(file, JSON.stringify({ keys: [key('first', 'a'), key('second', 'a'), key('other', 'b')] }));
  stack = await startStack({ env: { SCONCE_KEYS_FILE: file, SCONCE_THREADS: String(THREADS) } });
  for (const name of ['affine', 'slow'] as const) {
    const pushed = await sconce(['push', fixturePath(name), '--name', name], {
      SCONCE_URL: stack.url,
      SCONCE_API_KEY: 'secret-of-first',
    });
    expect(pushed.code).toBe(0);
  }
  // Every thread loads both models.
  await Promise.all([...Array.from({ length: 2 * THREADS }, () => slow('first')), affine('first')]);
});

/** Runs the model in a recorded trace. Returns the trace's id. */
async function infer(key: string, model: string, body: object): Promise<string> {
  const traceId = randomBytes(16).toString('hex');
  const traceparent = `00-${traceId}-${randomBytes(8).toString('hex')}-01`;
  const request = json(body, { authorization: `Bearer secret-of-${key}`, traceparent });
  const response = await stack.fetch(`/v2/models/${model}/infer`, request);
  expect([response.status, await response.text()]).toEqual([200, expect.anything()]);
  return traceId;
}

function slow(key: string, priority?: number): Promise<string> {
  const steps = { name: 'steps', datatype: 'INT64', shape: [1], data: [STEPS] };
  return infer(key, 'slow', { inputs: [steps], parameters: priority === undefined ? {} : { priority } });
}

function affine(key: string): Promise<string> {
  return infer(key, 'affine', { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4], data: [1, 2, 3, 4] }] });
}

/** The spans of these traces with this name, one of each. */
async function spansOf(traceIds: readonly string[], name: string): Promise<readonly SpanRecord[]> {
  return eventually(
    () => {
      const found = traceIds.map((id) =>
        stack.collector.spans.find((span) => span.traceId === id && span.name === name),
      );
      return found.every((span) => span !== undefined) && found;
    },
    { timeoutMs: 15_000 },
  );
}

/**
 * How many runs of a burst to the slow model end between the arrival of another request and its own run. By the clock of the system: how
 * late a busy machine delivers answers to this process does not count.
 */
async function runsBefore(request: () => Promise<string>): Promise<number> {
  const burst = Array.from({ length: BURST }, () => slow('first'));
  // The burst is under way.
  await Promise.race(burst);
  const own = [await request()];
  const runs = await spansOf(await Promise.all(burst), 'sconce.run');
  const [arrival] = await spansOf(own, 'POST /v2/models/:model/infer');
  const [run] = await spansOf(own, 'sconce.run');
  const [fromMs, toMs] = [arrival?.startMs ?? NaN, run?.startMs ?? NaN];
  expect(toMs).toBeGreaterThan(fromMs);
  return runs.filter(({ endMs }) => endMs > fromMs && endMs <= toMs).length;
}

it('a request to a fast model waits for the runs under way at most', async () => {
  expect(await runsBefore(() => affine('first'))).toBeLessThanOrEqual(MOST);
});

it('a request with priority 1 to the slow model runs next', async () => {
  expect(await runsBefore(() => slow('first', 1))).toBeLessThanOrEqual(MOST);
});

it('a request of another owner has its turn next, and another key of the same owner has not', async () => {
  expect(await runsBefore(() => slow('other'))).toBeLessThanOrEqual(MOST);
  expect(await runsBefore(() => slow('second'))).toBeGreaterThan(MOST);
});
