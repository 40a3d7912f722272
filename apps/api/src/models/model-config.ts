import type { TritonConfig } from '@sconce/contracts';
import { configDataTypeOf, type ReadyManifest } from '@sconce/models';
import type { TensorSpec } from '@sconce/tensor';

/** The reported limit of rows if the config of the model has none. Clients read it as "batches are supported", not as a limit. */
const DEFAULT_MAX_BATCH_SIZE = 64;

/**
 * The model in Triton's ModelConfig form (JSON), for the model configuration extension. If rows may share a run,
 * `max_batch_size` is positive and `dims` leave the batch axis out, as in Triton.
 */
export function toModelConfig({ name, signature, batch, config }: ReadyManifest): TritonConfig {
  const isBatched = batch !== undefined && batch.axis !== 'none';
  const hasRows = (name: string): boolean => isBatched && (batch.inputs?.includes(name) ?? true);
  const delay = config.dynamic_batching?.max_queue_delay_microseconds;
  const inputs = new Set(signature.inputs);
  const tensor = (spec: TensorSpec): TritonConfig['input'][number] => ({
    name: spec.name,
    data_type: configDataTypeOf(spec.datatype),
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
    dynamic_batching: isBatched ? { max_queue_delay_microseconds: delay } : undefined,
    instance_group: [{ name, kind: 'KIND_CPU', count: config.instance_group?.[0]?.count ?? 1 }],
    parameters: config.parameters,
    model_warmup: config.model_warmup,
  };
}
