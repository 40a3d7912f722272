import type { ConfigDataType, ModelConfig } from '@sconce/contracts';
import type { Datatype, TensorSpec } from '@sconce/tensor';

const CONFIG_TYPE_OF: Readonly<Record<Datatype, ConfigDataType>> = {
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

const DATATYPE_OF = Object.fromEntries(
  Object.entries(CONFIG_TYPE_OF).map(([datatype, configType]) => [configType, datatype]),
) as Readonly<Record<ConfigDataType, Datatype>>;

/** Triton's name of a datatype. */
export function configDataTypeOf(datatype: Datatype): ConfigDataType {
  return CONFIG_TYPE_OF[datatype];
}

/**
 * The inputs and outputs that a config gives, with whole shapes. If `max_batch_size` is above 0, `dims` leave the batch axis out, and it
 * is put in front as -1. A part that the config does not give is absent.
 */
export function configSignature({ max_batch_size, input, output }: ModelConfig): {
  readonly inputs?: readonly TensorSpec[];
  readonly outputs?: readonly TensorSpec[];
} {
  const hasBatchAxis = (max_batch_size ?? 0) > 0;
  const specs = (tensors: NonNullable<ModelConfig['input']>): TensorSpec[] =>
    tensors.map(({ name, data_type, dims }) => ({
      name,
      datatype: DATATYPE_OF[data_type],
      shape: hasBatchAxis ? [-1, ...dims] : dims,
    }));
  return {
    ...(input === undefined ? {} : { inputs: specs(input) }),
    ...(output === undefined ? {} : { outputs: specs(output) }),
  };
}
