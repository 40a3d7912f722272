import { SCALAR_TYPES, type ScalarType, type TensorInput } from '@sconce/torchscript';
import { UsageError } from '../output/failure.ts';

const INPUT = /^([^:]+):([a-z0-9]+)(?:\[([^\]]*)\])?$/;
const EXAMPLE = 'Write it as name:dtype[sizes], for example x:float32[-1,3,224,224]; -1 is a free axis.';

/** Parses `--input x:float32[-1,10]`: an input's name, dtype and shape. @throws UsageError. */
export function parseInput(text: string): readonly [string, TensorInput] {
  const [, name, dtype, sizes] = INPUT.exec(text) ?? [];
  if (name === undefined || dtype === undefined) throw new UsageError(`--input "${text}" cannot be read.`, EXAMPLE);
  const type = SCALAR_TYPES.find((candidate): candidate is ScalarType => candidate === dtype);
  if (type === undefined) {
    throw new UsageError(`--input "${text}": "${dtype}" is not a dtype.`, `The dtypes are ${SCALAR_TYPES.join(', ')}.`);
  }
  const shape = sizes === undefined || sizes.trim() === '' ? [] : sizes.split(',').map((size) => sizeOf(size, text));
  return [name, { dtype: type, shape }];
}

function sizeOf(text: string, whole: string): number | null {
  const size = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(size) || size < -1) {
    throw new UsageError(`--input "${whole}": "${text}" is not a size.`, EXAMPLE);
  }
  return size === -1 ? null : size;
}

/** The value of an argument that is fixed when the model is compiled. An int is a bigint, a float a number. */
export type FixedArgument = null | boolean | bigint | number | string;

/** Parses `--arg n=3`: an argument with a fixed value: None, True, False, an int, a float or a string. @throws UsageError. */
export function parseArgument(text: string): readonly [string, FixedArgument] {
  const at = text.indexOf('=');
  if (at < 1)
    throw new UsageError(`--arg "${text}" cannot be read.`, 'Write it as name=value, for example n=3 or mode="fast".');
  return [text.slice(0, at), valueOf(text.slice(at + 1))];
}

function valueOf(text: string): FixedArgument {
  if (text === 'None') return null;
  if (text === 'True' || text === 'true') return true;
  if (text === 'False' || text === 'false') return false;
  if (/^[-+]?\d+$/.test(text)) return BigInt(text);
  if (/^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/.test(text)) return Number(text);
  const quoted = /^"(.*)"$|^'(.*)'$/s.exec(text);
  return quoted?.[1] ?? quoted?.[2] ?? text;
}
