import type { OpenAPIObject } from '@nestjs/swagger';

/** A schema of OpenAPI, given in place. */
export type SchemaObject = Exclude<
  NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>[string],
  { readonly $ref: string }
>;

const PARAMETERS: SchemaObject = {
  type: 'object',
  additionalProperties: { oneOf: [{ type: 'string' }, { type: 'number' }, { type: 'boolean' }] },
};
const TENSOR: SchemaObject = {
  type: 'object',
  required: ['name', 'shape', 'datatype'],
  properties: {
    name: { type: 'string' },
    shape: { type: 'array', items: { type: 'integer', minimum: 0 } },
    datatype: {
      type: 'string',
      enum: 'BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 BF16 FP32 FP64 BYTES'.split(' '),
    },
    parameters: PARAMETERS,
    data: { type: 'array', items: {}, description: 'Row-major, nested or flat; absent for a binary tensor' },
  },
};

/** Body of an infer request. */
export const INFER_REQUEST_SCHEMA: SchemaObject = {
  type: 'object',
  required: ['inputs'],
  properties: {
    id: { type: 'string' },
    parameters: PARAMETERS,
    inputs: { type: 'array', items: TENSOR },
    outputs: {
      type: 'array',
      items: {
        type: 'object',
        required: ['name'],
        properties: { name: { type: 'string' }, parameters: PARAMETERS },
      },
    },
  },
};

/** Body of a job submission: an infer request and where it goes. */
export const JOB_REQUEST_SCHEMA: SchemaObject = {
  ...INFER_REQUEST_SCHEMA,
  required: ['model', 'inputs'],
  properties: {
    model: { type: 'string' },
    version: { type: 'string', description: 'Default: the default version of the model' },
    ...INFER_REQUEST_SCHEMA.properties,
  },
};

export const INFER_RESPONSE_SCHEMA: SchemaObject = {
  type: 'object',
  required: ['model_name', 'outputs'],
  properties: {
    model_name: { type: 'string' },
    model_version: { type: 'string' },
    id: { type: 'string' },
    parameters: PARAMETERS,
    outputs: { type: 'array', items: TENSOR },
  },
};

export const JOB_SCHEMA: SchemaObject = {
  type: 'object',
  required: ['id', 'object', 'model', 'version', 'status', 'created_at'],
  properties: {
    id: { type: 'string' },
    object: { type: 'string', enum: ['job'] },
    model: { type: 'string' },
    version: { type: 'string' },
    status: { type: 'string', enum: ['queued', 'running', 'succeeded', 'failed', 'cancelled'] },
    created_at: { type: 'integer', description: 'Epoch seconds' },
    started_at: { type: 'integer' },
    finished_at: { type: 'integer' },
    error: { type: 'object', properties: { code: { type: 'string' }, message: { type: 'string' } } },
    timing: {
      type: 'object',
      properties: {
        queue_ms: { type: 'number' },
        batch_ms: { type: 'number' },
        run_ms: { type: 'number' },
        batch_rows: { type: 'integer' },
      },
    },
    timestamps_ms: {
      type: 'object',
      description: 'Epoch ms at which it was accepted, taken by a worker for the first time, and ended',
      required: ['accepted'],
      properties: { accepted: { type: 'integer' }, started: { type: 'integer' }, finished: { type: 'integer' } },
    },
    trace_id: { type: 'string', description: 'Its trace, where one is recorded' },
  },
};

const SPECS: SchemaObject = {
  type: 'array',
  items: {
    type: 'object',
    properties: {
      name: { type: 'string' },
      datatype: { type: 'string' },
      shape: { type: 'array', items: { type: 'integer' }, description: '-1 for a free axis' },
    },
  },
};

const FIGURE: SchemaObject = { type: 'number', minimum: 0 };
const ERROR_FIGURE: SchemaObject = { ...FIGURE, nullable: true };

const BATCH: SchemaObject = {
  type: 'object',
  description: 'Whether rows of several requests may share a run, and how that is known',
  required: ['axis', 'evidence'],
  properties: {
    axis: {
      type: 'string',
      enum: ['dynamic', 'locked', 'none'],
      description: 'Any number of rows; exactly `size` rows, so that runs are filled up; each request alone',
    },
    size: { type: 'integer', description: 'Rows of a run; given where `axis` is `locked`' },
    evidence: { type: 'string', description: 'How that is known, for people' },
    inputs: { type: 'array', items: { type: 'string' }, description: 'Inputs whose axis 0 is the rows' },
    sizes: { type: 'array', items: { type: 'integer' }, description: 'Numbers of rows that were run together' },
    max_deviation: { ...FIGURE, description: 'Of a row alone from itself among others, relative to the output' },
    source: { type: 'string', description: 'The line of the model’s own code that bakes the size in' },
  },
};

const PARITY: SchemaObject = {
  type: 'object',
  description: 'The outputs against the cases’ own; there where cases were pushed',
  properties: {
    ok: { type: 'boolean' },
    calls: { type: 'integer' },
    rtol: FIGURE,
    atol: FIGURE,
    outputs: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          name: { type: 'string' },
          ok: { type: 'boolean' },
          elements: { type: 'integer', description: 'Compared' },
          off: { type: 'integer', description: 'Beyond the tolerance' },
          max_abs: { ...ERROR_FIGURE, description: 'Largest error; null where one side alone is NaN or infinite' },
          max_rel: ERROR_FIGURE,
          spread_rel: { ...ERROR_FIGURE, description: 'max_abs over the spread of the expected output' },
          reason: { type: 'string', description: 'Why it is off, where that is no matter of numbers' },
        },
      },
    },
  },
};

const PERFORMANCE: SchemaObject = {
  type: 'object',
  description: 'As registration measured it: one thread',
  properties: {
    load_ms: FIGURE,
    memory_bytes: { ...FIGURE, description: 'Per thread, beside weights that threads share' },
    batch_sizes: {
      type: 'array',
      items: {
        type: 'object',
        properties: { rows: { type: 'integer' }, latency_ms: FIGURE, rows_per_s: FIGURE },
      },
    },
    best_rows: { type: 'integer', description: 'Rows of a run beyond which the speed per row hardly grows' },
    spread: {
      type: 'object',
      description:
        'One run on all cores; `chosen` where that gives more than runs side by side, and is how the model is run',
      properties: {
        threads: { type: 'integer' },
        rows: { type: 'integer' },
        latency_ms: { type: 'number' },
        rows_per_s: { type: 'number' },
        chosen: { type: 'boolean' },
      },
    },
  },
};

/** One version of a model, as /v1/models shows it. */
export const MODEL_VERSION_SCHEMA: SchemaObject = {
  type: 'object',
  required: ['name', 'version', 'status', 'platform', 'config', 'size_bytes', 'created_at', 'updated_at'],
  properties: {
    name: { type: 'string' },
    version: { type: 'string' },
    status: { type: 'string', enum: ['receiving', 'compiling', 'proving', 'optimising', 'ready', 'failed'] },
    error: {
      type: 'object',
      description: 'There where the status is `failed`',
      properties: { code: { type: 'string' }, message: { type: 'string' } },
    },
    platform: { type: 'string', enum: ['onnx_onnxv1', 'pytorch_torchscript'] },
    signature: { type: 'object', properties: { inputs: SPECS, outputs: SPECS } },
    batch: BATCH,
    config: {
      type: 'object',
      description: 'As it was pushed; `GET /v1/model-config.schema.json` is its schema',
    },
    warnings: { type: 'array', items: { type: 'string' }, description: 'What may differ from PyTorch' },
    parity: PARITY,
    optimised: {
      type: 'object',
      description: 'The form that was saved for workers',
      properties: {
        cpu_class: { type: 'string' },
        runtime: { type: 'string', description: 'ONNX Runtime’s version' },
        size_bytes: { type: 'integer' },
      },
    },
    performance: PERFORMANCE,
    size_bytes: { type: 'integer', description: 'Of the artifact' },
    created_at: { type: 'string', format: 'date-time' },
    updated_at: { type: 'string', format: 'date-time' },
  },
};

/** Errors of /v2. */
export const V2_ERROR_SCHEMA: SchemaObject = {
  type: 'object',
  required: ['error'],
  properties: { error: { type: 'string' } },
};

/** Errors of /v1. */
export const V1_ERROR_SCHEMA: SchemaObject = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['message', 'type', 'code'],
      properties: {
        message: { type: 'string' },
        type: { type: 'string' },
        code: { type: 'string' },
        param: { type: 'string', nullable: true },
      },
    },
  },
};
