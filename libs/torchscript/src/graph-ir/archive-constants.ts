import { readTensor } from '../archive/read-tensor.ts';
import type { TorchScriptArchive } from '../archive/torchscript-archive.ts';
import type { PickleTensor, PickleValue } from '../pickle/pickle-value.ts';
import { SCALAR_TYPE_BYTES, type ScalarType } from '../scalar-type.ts';
import { printGeneral, type Constant } from './constant.ts';
import { ANY } from './ir-type.ts';

/** Tensors with more elements are printed as `<Tensor>`. */
const MAX_PRINTED_ELEMENTS = 10;

/** The name that PyTorch prints after a tensor of each element type, and the function that reads an element. */
const ELEMENTS: Readonly<
  Partial<Record<ScalarType, { readonly name: string; readonly read: (view: DataView, at: number) => bigint | number }>>
> = {
  bool: { name: 'Bool', read: (view, at) => BigInt(view.getUint8(at)) },
  uint8: { name: 'Byte', read: (view, at) => BigInt(view.getUint8(at)) },
  int8: { name: 'Char', read: (view, at) => BigInt(view.getInt8(at)) },
  int16: { name: 'Short', read: (view, at) => BigInt(view.getInt16(at, true)) },
  int32: { name: 'Int', read: (view, at) => BigInt(view.getInt32(at, true)) },
  int64: { name: 'Long', read: (view, at) => view.getBigInt64(at, true) },
  float32: { name: 'Float', read: (view, at) => view.getFloat32(at, true) },
  float64: { name: 'Double', read: (view, at) => view.getFloat64(at, true) },
};

/** The values of `CONSTANTS.c<i>` in a graph. Small tensors are read, so that their elements can be printed. */
export async function printConstants(archive: TorchScriptArchive): Promise<readonly Constant[]> {
  const constants: Constant[] = [];
  for (const [identity, value] of archive.constants.entries()) {
    constants.push(await constantOf(archive, value, identity));
  }
  return constants;
}

async function constantOf(archive: TorchScriptArchive, value: PickleValue, identity: number): Promise<Constant> {
  if (value === null || typeof value !== 'object') return value;
  switch (value.kind) {
    case 'tensor':
      return { kind: 'tensor', identity, text: await printTensor(archive, value) };
    case 'tuple':
      return { kind: 'tuple', items: await constantsOf(archive, value.items, identity) };
    case 'list':
      return { kind: 'list', items: await constantsOf(archive, value.items, identity), of: ANY };
    case 'device':
    case 'complex':
      return value;
    case 'dict':
      return { kind: 'object', text: '<Dict>', type: ANY };
    case 'object':
      return {
        kind: 'object',
        text: '<Object>',
        type: { kind: 'class', name: value.className, form: 'class' },
      };
  }
}

async function constantsOf(
  archive: TorchScriptArchive,
  values: readonly PickleValue[],
  identity: number,
): Promise<Constant[]> {
  const constants: Constant[] = [];
  for (const value of values) constants.push(await constantOf(archive, value, identity));
  return constants;
}

/** The text of a tensor: `{3}` for one number, ` 0  3  1 [ CPULongType{3} ]` for a few numbers, otherwise `<Tensor>`. */
async function printTensor(archive: TorchScriptArchive, tensor: PickleTensor): Promise<string> {
  const count = tensor.sizes.reduce((product, size) => product * size, 1);
  const element = ELEMENTS[tensor.storage.dtype];
  if (element === undefined || count > MAX_PRINTED_ELEMENTS || (tensor.sizes.length > 2 && count !== 1))
    return '<Tensor>';
  const bytes = await readTensor(archive, tensor);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const width = SCALAR_TYPE_BYTES[tensor.storage.dtype];
  const values = Array.from({ length: count }, (_, i) => element.read(view, i * width));
  const [only] = values;
  if (count === 1 && only !== undefined) return `{${typeof only === 'bigint' ? only : printGeneral(only, 6)}}`;
  return `${printRow(values)}[ CPU${element.name}Type{${tensor.sizes.join(',')}} ]`;
}

/** A row of numbers, each as wide as the widest. */
function printRow(values: readonly (bigint | number)[]): string {
  const numbers = values.map(Number);
  const digits = Math.max(1, ...numbers.map((value) => Math.trunc(Math.abs(value)).toString().length));
  const whole = numbers.every(Number.isInteger);
  return numbers.map((value) => `${value.toFixed(whole ? 0 : 4).padStart(digits + (whole ? 1 : 6))} `).join('');
}
