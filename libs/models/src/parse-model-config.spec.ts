import { describe, expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import { modelConfigJsonSchema } from '@sconce/contracts';
import { configSignature } from './config-signature.ts';
import { parseModelConfig } from './parse-model-config.ts';

const tensor = (over: object = {}): object => ({ name: 'x', data_type: 'TYPE_FP32', dims: [-1, 3], ...over });

const FULL = {
  name: 'm',
  platform: 'pytorch_libtorch',
  backend: 'pytorch',
  default_model_filename: 'model.pt',
  max_batch_size: 8,
  input: [tensor(), tensor({ name: 'n', data_type: 'TYPE_INT64', dims: [] })],
  output: [tensor({ name: 'y' })],
  dynamic_batching: { max_queue_delay_microseconds: 500 },
  instance_group: [{ name: 'g', count: 2, kind: 'KIND_CPU' }],
  parameters: { intra_op_thread_count: { string_value: '2' } },
  model_warmup: [{ name: 'w', batch_size: 8, count: 3 }],
  budget: { elements: 1_000, run_ms: 500 },
  method: 'encode',
  arguments: { n: 3, flag: true, mode: 'fast', none: null },
  tolerance: { rtol: 1e-3, atol: 1e-4 },
};

/** What came, the path of the first fault, what the message says. */
const REFUSED: [unknown, string, RegExp][] = [
  [null, '', /it is null: it must be an object/],
  [[], '', /it is a list of 0: it must be an object/],
  ['{}', '', /it is "{}": it must be an object/],
  [{ name: 'other' }, 'name', /name is "other", but the model is pushed as "m"/],
  [{ name: 3 }, 'name', /name is 3: it must be a string/],
  [{ budget: { elements: 0 } }, 'budget.elements', /budget.elements is 0: it must be at least 1/],
  [{ budget: { bytes: 1 } }, 'budget.bytes', /is no field of a config: allowed here are body_bytes, json_values/],
  [{ max_batch_size: '8' }, 'max_batch_size', /max_batch_size is "8": it must be a number/],
  [{ max_batch_size: 1.5 }, 'max_batch_size', /is 1.5: it must be a whole number/],
  [{ max_batch_size: -1 }, 'max_batch_size', /is -1: it must be at least 0/],
  [{ max_batch_size: 65_537 }, 'max_batch_size', /is 65537: it must be at most 65536/],
  [{ input: tensor() }, 'input', /input is an object: it must be a list/],
  [{ input: [] }, 'input', /input is a list of 0: it must have at least 1 entry/],
  [{ input: [tensor({ name: '' })] }, 'input[0].name', /is "": it must be at least 1 character long/],
  [{ input: [tensor(), tensor()] }, 'input[1].name', /input\[1\].name is there twice/],
  [{ output: [tensor(), tensor()] }, 'output[1].name', /output\[1\].name is there twice/],
  [
    { input: [tensor({ data_type: 'FP32' })] },
    'input[0].data_type',
    /is "FP32": it must be one of TYPE_BOOL, .*TYPE_STRING/,
  ],
  [{ input: [tensor({ dims: [3, -2] })] }, 'input[0].dims[1]', /is -2: it must be at least -1/],
  [{ input: [{ name: 'x' }] }, 'input[0].data_type', /data_type is missing.*dims is missing: it must be a list/],
  [{ instance_group: [] }, 'instance_group', /it must have exactly 1 entry/],
  [{ instance_group: [{ kind: 'KIND_GPU' }] }, 'instance_group[0].kind', /"KIND_GPU".*KIND_CPU, KIND_AUTO/],
  [{ arguments: { a: [1] } }, 'arguments.a', /is a list of 1: it must be a number, a boolean, a string or null/],
  [{ tolerance: { rtol: 2, atol: 0 } }, 'tolerance.rtol', /is 2: it must be at most 1/],
  [{ tolerance: { rtol: 0.1 } }, 'tolerance.atol', /tolerance.atol is missing: it must be a number/],
  [
    { max_batch_size: 4, model_warmup: [{ batch_size: 5 }] },
    'model_warmup[0].batch_size',
    /above max_batch_size \(4\)/,
  ],
  [{ max_batch: 4 }, 'max_batch', /max_batch is no field of a config: allowed here are name, .*tolerance/],
  [{ dynamic_batching: { delay: 4 } }, 'dynamic_batching.delay', /allowed here are max_queue_delay_microseconds/],
  [{ input: [tensor({ shape: [1] })] }, 'input[0].shape', /allowed here are name, data_type, dims/],
  [{ constructor: 1 }, 'constructor', /is no field/],
  [{ version_policy: {} }, 'version_policy', /is not supported: .*`sconce models use`/],
  [{ sequence_batching: {} }, 'sequence_batching', /is not supported: /],
  [{ ensemble_scheduling: {} }, 'ensemble_scheduling', /is not supported: /],
  [{ optimization: {} }, 'optimization', /is not supported: /],
  [{ parameters: { n: 1 } }, 'parameters.n', /allowed here are intra_op_thread_count/],
  [
    { parameters: { inter_op_thread_count: { string_value: '2' } } },
    'parameters.inter_op_thread_count',
    /is not supported: operators of a run follow one another/,
  ],
  [
    { parameters: { intra_op_thread_count: { string_value: '0' } } },
    'parameters.intra_op_thread_count.string_value',
    /is "0"/,
  ],
  [{ dynamic_batching: { preferred_batch_size: [4] } }, 'dynamic_batching.preferred_batch_size', /is not supported: /],
  [{ input: [tensor({ reshape: {} })] }, 'input[0].reshape', /is not supported: /],
];

describe('a config', () => {
  it('keeps every given field', () => {
    expect(parseModelConfig(FULL, { name: 'm' })).toEqual(FULL);
    expect(parseModelConfig({}, { name: 'm' })).toEqual({});
  });

  it.each(REFUSED)('%j is refused at %s', (json, param, message) => {
    const parse = (): unknown => parseModelConfig(json, { name: 'm' });
    expect(parse).toThrow(SconceError);
    expect(parse).toThrow(message);
    expect(parse).toThrow(
      expect.objectContaining({
        code: 'invalid_request',
        details: expect.objectContaining({ param: param === '' ? 'config' : `config.${param}` }),
      }),
    );
  });

  it('names at most five faults, and the number of the others', () => {
    const input = Array.from({ length: 7 }, (_, i) => tensor({ name: `x${i}`, dims: 'all' }));
    expect(() => parseModelConfig({ input }, { name: 'm' })).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(/(is "all".*){5}; and 2 more$/),
        details: {
          param: 'config.input[0].dims',
          issues: expect.toSatisfy((issues: unknown[]) => issues.length === 5),
        },
      }),
    );
  });

  it('keeps messages short for any value', () => {
    expect(() => parseModelConfig({ method: [], ['k'.repeat(1e5)]: 1, name: 'v'.repeat(1e5) }, { name: 'm' })).toThrow(
      expect.objectContaining({ message: expect.toSatisfy((message: string) => message.length < 1_000) }),
    );
  });
});

describe('the signature of a config', () => {
  const input = [tensor()] as never;
  it.each([
    ['has the batch axis put in front', { max_batch_size: 8, input }, { inputs: [[-1, -1, 3]] }],
    ['is whole where rows are not merged', { max_batch_size: 0, input }, { inputs: [[-1, 3]] }],
    ['is whole where nothing is said', { input, output: input }, { inputs: [[-1, 3]], outputs: [[-1, 3]] }],
    ['is empty where the config is', { max_batch_size: 8 }, {}],
  ])('%s', (_, config, shapes) => {
    const signature = Object.entries(configSignature(config)).map(([key, specs]) => [
      key,
      specs.map(({ shape }) => shape),
    ]);
    expect(Object.fromEntries(signature)).toEqual(shapes);
  });

  it('has the protocol’s datatypes', () => {
    const types = ['TYPE_STRING', 'TYPE_BF16', 'TYPE_BOOL'].map((data_type) => tensor({ data_type, name: data_type }));
    const { inputs = [] } = configSignature(parseModelConfig({ input: types }, { name: 'm' }));
    expect(inputs.map(({ datatype }) => datatype)).toEqual(['BYTES', 'BF16', 'BOOL']);
  });
});

it('the JSON Schema has every field with a description, and allows no others', () => {
  const { $schema, properties, additionalProperties } = modelConfigJsonSchema();
  expect($schema).toMatch(/2020-12/);
  expect(additionalProperties).toBe(false);
  expect(Object.keys(properties as object).sort()).toEqual(Object.keys(FULL).sort());
  for (const property of Object.values(properties as object)) expect(property).toHaveProperty('description');
});
