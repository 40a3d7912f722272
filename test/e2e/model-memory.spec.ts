import { beforeAll, expect, it } from 'vitest';
import { affineRequest, startStack, type Stack } from '../support/stack.ts';

// One worker with one thread that has memory for two models: which models are unloaded, kept or refused.

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ env: { SCONCE_THREADS: '1', SCONCE_MAX_MODELS_PER_THREAD: '2' } });
  for (const name of ['kept', 'second', 'third']) await stack.push('affine', { name });
});

async function infer(name: string): Promise<{ status: number; text: string }> {
  const response = await stack.fetch(`/v2/models/${name}/infer`, affineRequest([[1, 2, 3, 4]]));
  return { status: response.status, text: await response.text() };
}

async function keep(name: string, keepLoaded: boolean): Promise<void> {
  const response = await stack.fetch(`/v1/models/${name}`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ keep_loaded: keepLoaded }),
  });
  expect(response.status).toBe(200);
}

/** A metric of the worker, for one model or without labels. */
async function metric(name: string, model?: string): Promise<number> {
  const text = await (await fetch(`${stack.workers[0]?.ready.metricsUrl}/metrics`)).text();
  const start = model === undefined ? `${name} ` : `${name}{model="${model}"} `;
  const line = text.split('\n').find((each) => each.startsWith(start));
  return Number(line?.slice(start.length) ?? 0);
}

it('evicts the model used longest ago but never a kept one, and refuses a model that has no room', async () => {
  await keep('kept', true);
  // After these requests the thread holds `kept` and `third`, whatever registration left in it.
  for (const name of ['kept', 'second', 'third']) expect((await infer(name)).status).toBe(200);
  const evictions = await metric('sconce_model_evictions_total');
  const loads = await Promise.all(['kept', 'second'].map((name) => metric('sconce_model_loads_total', name)));
  for (const name of ['second', 'kept']) expect((await infer(name)).status).toBe(200);
  expect(await metric('sconce_model_evictions_total')).toBe(evictions + 1);
  expect(await metric('sconce_model_loads_total', 'second')).toBe((loads[1] ?? 0) + 1);
  expect(await metric('sconce_model_loads_total', 'kept')).toBe(loads[0]);
  expect(await metric('sconce_models_held')).toBe(2);
  expect(await metric('sconce_model_memory_bytes')).toBeGreaterThan(0);

  await keep('second', true);
  // The worker reads the setting at its next request, when its copy of the manifest is older than a second.
  await expect
    .poll(
      async () => {
        await infer('second');
        return infer('third');
      },
      { timeout: 10_000 },
    )
    .toMatchObject({ status: 503, text: expect.stringMatching(/Model third.1 does not fit.*kept for other models/) });
  expect((await infer('kept')).status).toBe(200);

  await keep('second', false);
  await expect.poll(async () => (await infer('third')).status, { timeout: 10_000 }).toBe(200);
  expect(await metric('sconce_model_loads_total', 'kept')).toBe(loads[0]);
});
