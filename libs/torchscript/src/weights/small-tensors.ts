import { readTensor } from '../archive/read-tensor.ts';
import type { TorchScriptArchive } from '../archive/torchscript-archive.ts';
import type { Scalar } from '../symbolic/values.ts';
import type { PickleTensor, PickleValue } from '../pickle/pickle-value.ts';
import { SCALAR_TYPE_BYTES, type ScalarType } from '../scalar-type.ts';

/** Larger tensors are data. Smaller integer tensors and single numbers may be sizes and indices. */
const MAX_ELEMENTS = 16;
const MAX_TENSORS = 20_000;

/** Reads the elements of the archive's small integer tensors and single numbers. */
export async function readSmallTensors(archive: TorchScriptArchive): Promise<Map<PickleTensor, readonly Scalar[]>> {
  const small = new Map<PickleTensor, readonly Scalar[]>();
  for (const tensor of tensorsOf([archive.root, ...archive.constants])) {
    if (small.size >= MAX_TENSORS) break;
    const count = tensor.sizes.reduce((product, size) => product * size, 1);
    const { dtype } = tensor.storage;
    const decode = DECODERS[dtype];
    // A quantized model keeps its scales in tensors of one element.
    const whole = dtype === 'bool' || dtype.startsWith('int') || dtype === 'uint8';
    if (decode === undefined || count > MAX_ELEMENTS || (!whole && count !== 1)) continue;
    const bytes = await readTensor(archive, tensor);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    small.set(
      tensor,
      Array.from({ length: count }, (_, i) => decode(view, i * SCALAR_TYPE_BYTES[dtype])),
    );
  }
  return small;
}

const DECODERS: Readonly<Partial<Record<ScalarType, (view: DataView, at: number) => Scalar>>> = {
  bool: (view, at) => view.getUint8(at) !== 0,
  uint8: (view, at) => BigInt(view.getUint8(at)),
  int8: (view, at) => BigInt(view.getInt8(at)),
  int16: (view, at) => BigInt(view.getInt16(at, true)),
  int32: (view, at) => BigInt(view.getInt32(at, true)),
  int64: (view, at) => view.getBigInt64(at, true),
  float32: (view, at) => view.getFloat32(at, true),
  float64: (view, at) => view.getFloat64(at, true),
};

/** All tensors that the values hold, each once. */
export function tensorsOf(values: readonly PickleValue[]): PickleTensor[] {
  const tensors: PickleTensor[] = [];
  const seen = new Set<object>();
  const open: PickleValue[] = [...values].reverse();
  while (open.length > 0) {
    const value = open.pop();
    if (value === undefined || value === null || typeof value !== 'object' || seen.has(value)) continue;
    seen.add(value);
    if (value.kind === 'tensor') tensors.push(value);
    else if (value.kind === 'object') {
      open.push(...[...value.attributes.values()].reverse());
      if (value.state !== undefined) open.push(value.state);
    } else if (value.kind === 'dict') open.push(...value.entries.flat().reverse());
    else if (value.kind === 'list' || value.kind === 'tuple') open.push(...[...value.items].reverse());
  }
  return tensors;
}
