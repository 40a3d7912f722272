import type { OpenAPIObject } from '@nestjs/swagger';

type SchemaObject = Exclude<
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

export const MODEL_VERSION_SCHEMA: SchemaObject = {
  type: 'object',
  required: ['name', 'version', 'status', 'platform', 'size_bytes'],
  properties: {
    name: { type: 'string' },
    version: { type: 'string' },
    status: { type: 'string', enum: ['receiving', 'compiling', 'proving', 'optimising', 'ready', 'failed'] },
    error: { type: 'object', properties: { code: { type: 'string' }, message: { type: 'string' } } },
    platform: { type: 'string' },
    signature: { type: 'object', properties: { inputs: SPECS, outputs: SPECS } },
    batch: {
      type: 'object',
      properties: {
        axis: { type: 'string', enum: ['dynamic', 'locked', 'none'] },
        size: { type: 'integer' },
        evidence: { type: 'string' },
      },
    },
    size_bytes: { type: 'integer' },
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
