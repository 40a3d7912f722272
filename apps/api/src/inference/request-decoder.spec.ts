import { expect, it } from 'vitest';
import type { RequestBudget } from '@sconce/contracts';
import type { ReadyManifest } from '@sconce/models';
import type { InferRequest } from '@sconce/tensor';
import type { InferenceCall } from './inference-call.ts';
import { RequestDecoder } from './request-decoder.ts';

const manifestOf = (budget?: RequestBudget): ReadyManifest =>
  ({
    config: budget === undefined ? {} : { budget },
    // A byte for each element.
    performance: {
      run_memory: {
        bytes: 1,
        growth: [{ axes: [{ input: 'x', axis: 0 }], rows: false, size: 1, largest: 1, factor: [0, 1, 0] }],
      },
    },
    signature: {
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }],
    },
  }) as unknown as ReadyManifest;

function callOf(elements: number, keyBudget?: RequestBudget): InferenceCall {
  const data = Array.from({ length: elements }, (_, index) => index % 1_000);
  const body = { inputs: [{ name: 'x', datatype: 'FP32', shape: [elements], data }] };
  return { url: '/', body: Buffer.from(JSON.stringify(body)), keyBudget };
}

/** Of a small body, read at once, and of a large one, read in slices. */
const SIZES = [10, 100_000];

async function decode(
  call: InferenceCall,
  manifest = manifestOf(),
  instance: RequestBudget = {},
): Promise<InferRequest> {
  return new RequestDecoder(instance).decode(call, manifest);
}

it('a small body is read at once, a large one in slices', async () => {
  const decoder = new RequestDecoder({});
  expect(decoder.decode(callOf(10), manifestOf())).not.toBeInstanceOf(Promise);
  const large = await decoder.decode(callOf(1_000_000), manifestOf());
  expect(large.inputs[0]?.shape).toEqual([1_000_000]);
});

it('the tensors of a large JSON body are reserved before they are made, also in a request that names its model', async () => {
  const reserved: number[] = [];
  const call = { ...callOf(100_000), reserve: (bytes: number) => void reserved.push(bytes) };
  await decode(call);
  const decoder = new RequestDecoder({});
  await decoder.bind(await decoder.parseHead(call), call, manifestOf());
  expect(reserved).toEqual([400_000, 400_000]);
  const refuse = (): void => {
    throw new RangeError('no room');
  };
  await expect(decode({ ...call, reserve: refuse })).rejects.toThrow('no room');
});

it.each(SIZES)('a request of %i elements within its budgets passes', async (elements) => {
  // The body has 1 object, 1 list, 1 tensor, and of it a name, a datatype, a shape of 1 and the data.
  const exact = {
    elements,
    json_values: elements + 8,
    body_bytes: callOf(elements).body.length,
    run_memory_bytes: elements,
  };
  await expect(decode(callOf(elements), manifestOf(), exact)).resolves.toHaveProperty('inputs');
});

it.each(
  SIZES.flatMap((elements) => {
    const fields = {
      elements: elements - 1,
      json_values: elements + 7,
      run_memory_bytes: elements - 1,
      body_bytes: callOf(elements).body.length - 1,
    } as const;
    return Object.entries(fields).map(([field, limit]) => [elements, field, limit] as const);
  }),
)('of %i elements, one over %s (%i) is refused, wherever the limit is set', async (elements, field, limit) => {
  const budget = { [field]: limit };
  const error = (setting: string): object => ({
    code: field === 'body_bytes' ? 'payload_too_large' : 'over_budget',
    details: { budget: field, limit, setting, value: expect.toSatisfy((value: number) => value === limit + 1) },
  });
  await expect(decode(callOf(elements), manifestOf(budget))).rejects.toMatchObject(
    error(`budget.${field} in the config of the model`),
  );
  await expect(decode(callOf(elements, budget))).rejects.toMatchObject(error(`budget.${field} of the API key`));
  await expect(decode(callOf(elements), manifestOf(), budget)).rejects.toMatchObject(
    error(`SCONCE_MAX_${field.toUpperCase()}`),
  );
});

it.each(SIZES)('a request of %i elements that names its model in the body has the same budgets', async (elements) => {
  const decoder = new RequestDecoder({});
  const call = callOf(elements, { json_values: elements });
  await expect((async () => decoder.parseHead(call))()).rejects.toMatchObject({ code: 'over_budget' });
  const free = callOf(elements);
  const head = await decoder.parseHead(free);
  const bind = async (budget: RequestBudget): Promise<InferRequest> => decoder.bind(head, free, manifestOf(budget));
  await expect(bind({ json_values: elements })).rejects.toMatchObject({ code: 'over_budget' });
  await expect(bind({ elements: elements - 1 })).rejects.toMatchObject({ code: 'over_budget' });
  await expect(bind({ elements })).resolves.toHaveProperty('inputs');
});
