import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { GraphBuilder, IR_VERSION, OPSET, encodeModel } from '@sconce/onnx';
import { temporaryFolder } from '@sconce/testing';
import { affineRequest, startStack, type Stack } from '../support/stack.ts';

// One worker with one thread that has memory for two models, and 64 MiB for a run: which models are unloaded, kept or refused, and which
// requests are.

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({
    env: {
      SCONCE_THREADS: '1',
      SCONCE_MAX_MODELS_PER_THREAD: '2',
      SCONCE_MAX_RUN_MEMORY_BYTES: String(64 * 1024 ** 2),
    },
  });
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

/** A model whose memory grows with the square of the length of its rows: softmax(x·xᵀ)·x. */
function attention(): string {
  const builder = new GraphBuilder();
  builder.input({ name: 'x', datatype: 'FLOAT', shape: ['n', 'length', 1] });
  const turned = builder.node('Transpose', ['x'], { attributes: { perm: { ints: [0, 2, 1] } } });
  const weights = builder.node('Softmax', [builder.node('MatMul', ['x', turned])]);
  const shape = ['n', 'length', 1];
  builder.output({ name: builder.node('MatMul', [weights, 'x']), datatype: 'FLOAT', shape });
  const path = join(temporaryFolder('attention'), 'attention.onnx');
  const graph = builder.build('attention');
  const model = { irVersion: IR_VERSION, opsets: { '': OPSET }, producer: 'spec', graph, metadata: {} };
  writeFileSync(path, encodeModel(model));
  return path;
}

it('refuses a request whose run would need too much memory, and cuts runs that would', async () => {
  await stack.pushFile(attention(), 'attention');
  const version = (await (await stack.fetch('/v1/models/attention/versions/1')).json()) as {
    readonly performance: {
      readonly run_memory: { readonly growth: readonly { readonly factor: readonly number[] }[] };
    };
  };
  expect(version.performance.run_memory.growth[0]?.factor[2]).toBeGreaterThan(0.5);
  const ask = async (rows: number, length: number): Promise<{ status: number; text: string; ms: number }> => {
    const input = {
      name: 'x',
      datatype: 'FP32',
      shape: [rows, length, 1],
      data: Array.from({ length: rows * length }, () => 1),
    };
    const beganMs = performance.now();
    const response = await stack.fetch('/v2/models/attention/infer', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ inputs: [input] }),
    });
    return { status: response.status, text: await response.text(), ms: performance.now() - beganMs };
  };
  const refused = await ask(1, 30_000);
  expect(refused).toMatchObject({
    status: 422,
    text: expect.stringMatching(
      /over its budget run_memory_bytes.*for x\[axis 1\] = 30000.*SCONCE_MAX_RUN_MEMORY_BYTES/,
    ),
  });
  expect(refused.ms).toBeLessThan(5_000);
  // 16 MiB or more a row: together they would need 160 MiB.
  const cut = await ask(10, 2_000);
  expect(cut.status).toBe(200);
  const before = stack.workers.map(({ pid }) => pid);
  expect((await ask(4, 10)).status).toBe(200);
  expect(stack.workers.map(({ pid }) => pid)).toEqual(before);
});
