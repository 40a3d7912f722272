import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { SconceClient } from '@sconce/client';
import { hashSecret, type ApiKey } from '@sconce/keys';
import type { Tensor } from '@sconce/tensor';
import { fixturePath, temporaryFolder } from '@sconce/testing';
import { sconce } from '../support/cli.ts';
import { startStack, type Stack } from '../support/stack.ts';

// A burst of one caller does not delay the requests of others by more than the runs under way. The worker has two threads.

const THREADS = 2;
const BURST = 16;
/**
 * Runs that may end while a request of others waits: the runs under way, and those whose answers are on their way to the client. In the
 * order of arrival it would be almost all of the burst.
 */
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

const client = (key: string): SconceClient => new SconceClient({ url: stack.url, apiKey: `secret-of-${key}` });

async function slow(key: string, priority?: number): Promise<void> {
  const data = new Uint8Array(BigInt64Array.of(BigInt(STEPS)).buffer);
  const steps: Tensor = { name: 'steps', datatype: 'INT64', shape: [1], data };
  await client(key).infer('slow', {
    inputs: [steps],
    binary: true,
    parameters: priority === undefined ? {} : { priority },
  });
}

async function affine(key: string): Promise<void> {
  const data = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);
  await client(key).infer('affine', { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 4], data }], binary: true });
}

/** How many requests of a burst to the slow model are answered while another request waits for its answer. */
async function answeredMeanwhile(request: () => Promise<void>): Promise<number> {
  let answered = 0;
  const burst = Array.from({ length: BURST }, () => slow('first').then(() => (answered += 1)));
  // The burst is under way.
  await Promise.race(burst);
  const before = answered;
  await request();
  const meanwhile = answered - before;
  await Promise.all(burst);
  return meanwhile;
}

it('a request to a fast model waits for the runs under way at most', async () => {
  expect(await answeredMeanwhile(() => affine('first'))).toBeLessThanOrEqual(MOST);
});

it('a request with priority 1 to the slow model runs next', async () => {
  expect(await answeredMeanwhile(() => slow('first', 1))).toBeLessThanOrEqual(MOST);
});

it('a request of another owner has its turn next, and another key of the same owner has not', async () => {
  expect(await answeredMeanwhile(() => slow('other'))).toBeLessThanOrEqual(MOST);
  expect(await answeredMeanwhile(() => slow('second'))).toBeGreaterThan(MOST);
});
