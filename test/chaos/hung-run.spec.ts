import { beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '@sconce/testing';
import { affineRequest, json, startStack, type Stack } from '../support/stack.ts';

// A hung run cannot be interrupted: its worker process ends. After two such runs the version goes into quarantine.

const slow = (steps: number, parameters: object = {}): RequestInit =>
  json({ inputs: [{ name: 'steps', datatype: 'INT64', shape: [1], data: [steps] }], parameters });
/** Steps that would take days. */
const ENDLESS = 10_000_000_000;

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ workers: 1, env: { SCONCE_MAX_RUN_MS: '1500' } });
  await Promise.all([stack.push('affine'), stack.push('slow')]);
});

const expectWorkerEnded = (index: number): Promise<unknown> =>
  eventually(
    () => {
      const { child } = stack.workers[index] ?? {};
      expect([child?.exitCode, child?.signalCode]).toEqual([1, null]);
    },
    { timeoutMs: 20_000 },
  );

describe('a run that does not end', () => {
  it('ends its worker, is tried once more, then puts its version in quarantine; other models still answer', async () => {
    const endless = stack.fetch('/v2/models/slow/infer', slow(ENDLESS));
    const submitted = await stack.fetch(
      '/v1/jobs',
      json({ model: 'slow', inputs: [{ name: 'steps', datatype: 'INT64', shape: [1], data: [ENDLESS] }] }),
    );
    const { id } = (await submitted.json()) as { id: string };
    const bystander = stack.fetch('/v2/models/affine/infer', affineRequest([[1, 2, 3, 4]]));
    await expectWorkerEnded(0);
    await stack.startWorker();
    await expectWorkerEnded(1);
    await stack.startWorker();
    const answer = await endless;
    const refusal = /version 1 of model slow is in quarantine: 2 runs in a row did not end within 1.5 s/;
    expect([answer.status, await answer.json()]).toEqual([503, { error: expect.stringMatching(refusal) as string }]);
    expect((await bystander).status).toBe(200);
    await expect
      .poll(async () => (await stack.fetch(`/v1/jobs/${id}`)).json(), { timeout: 20_000 })
      .toMatchObject({ status: 'failed', error: { code: 'model_not_ready' } });

    expect((await stack.fetch('/v2/models/slow/infer', slow(1))).status).toBe(503);
    // The API answers from its cache while it reads the state again: it sees a quarantine within a second (poll's limit).
    await expect.poll(async () => (await stack.fetch('/v2/models/slow/ready')).status).toBe(503);
    expect(await (await stack.fetch('/v2/repository/index', json({}))).json()).toEqual([
      { name: 'affine', version: '1', state: 'READY', reason: '' },
      {
        name: 'slow',
        version: '1',
        state: 'UNAVAILABLE',
        reason: expect.stringMatching(/^quarantine: 2 runs/) as string,
      },
    ]);
    expect(await (await stack.fetch('/v1/models/slow')).json()).toMatchObject({
      versions: [{ version: '1', quarantined: expect.stringMatching(/did not end/) as string }],
    });
    expect((await stack.fetch('/v2/models/affine/infer', affineRequest([[1, 2, 3, 4]]))).status).toBe(200);

    expect((await stack.fetch('/v2/repository/models/slow/load', json({}))).status).toBe(200);
    await expect
      .poll(async () => (await stack.fetch('/v2/models/slow/infer', slow(1))).status, { timeout: 10_000 })
      .toBe(200);
    expect(stack.workers.at(-1)?.child.exitCode).toBeNull();
  });
});
