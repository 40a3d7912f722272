import type { ReadyManifest } from '@sconce/models';
import type { Datatype, TensorSpec } from '@sconce/tensor';

/** Triton's names of datatypes in a ModelConfig. */
const CONFIG_TYPE: Readonly<Record<Datatype, string>> = {
  BOOL: 'TYPE_BOOL',
  UINT8: 'TYPE_UINT8',
  UINT16: 'TYPE_UINT16',
  UINT32: 'TYPE_UINT32',
  UINT64: 'TYPE_UINT64',
  INT8: 'TYPE_INT8',
  INT16: 'TYPE_INT16',
  INT32: 'TYPE_INT32',
  INT64: 'TYPE_INT64',
  FP16: 'TYPE_FP16',
  BF16: 'TYPE_BF16',
  FP32: 'TYPE_FP32',
  FP64: 'TYPE_FP64',
  BYTES: 'TYPE_STRING',
};

/** Rows per request where the model does not say: clients read this as "batches are welcome", not as a limit. */
const DEFAULT_MAX_BATCH_SIZE = 64;

/**
 * The model in Triton's ModelConfig form (JSON), as the model configuration extension answers it. Where rows may share
 * a run, `max_batch_size` is positive and `dims` leave the batch axis out, as Triton has it.
 */
export function toModelConfig({ name, signature, batch, config }: ReadyManifest): object {
  const isBatched = batch !== undefined && batch.axis !== 'none';
  const hasRows = (name: string): boolean => isBatched && (batch.inputs?.includes(name) ?? true);
  const delay = config.dynamic_batching?.max_queue_delay_microseconds;
  const inputs = new Set(signature.inputs);
  const tensor = (spec: TensorSpec): object => ({
    name: spec.name,
    data_type: CONFIG_TYPE[spec.datatype],
    dims: (inputs.has(spec) ? hasRows(spec.name) : isBatched) ? spec.shape.slice(1) : spec.shape,
  });
  return {
    name,
    platform: 'onnxruntime_onnx',
    backend: 'onnxruntime',
    version_policy: { latest: { num_versions: 1 } },
    max_batch_size: isBatched ? (config.max_batch_size ?? DEFAULT_MAX_BATCH_SIZE) : 0,
    input: signature.inputs.map(tensor),
    output: signature.outputs.map(tensor),
    ...(isBatched ? { dynamic_batching: delay === undefined ? {} : { max_queue_delay_microseconds: delay } } : {}),
    instance_group: [{ name, kind: 'KIND_CPU', count: config.instance_group?.[0]?.count ?? 1 }],
    ...(config.parameters === undefined ? {} : { parameters: config.parameters }),
    ...(config.model_warmup === undefined ? {} : { model_warmup: config.model_warmup }),
  };
}
