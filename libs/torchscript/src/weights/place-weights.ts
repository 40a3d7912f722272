import type { OnnxTensor } from '@sconce/onnx';

import { contiguousRange, readTensor } from '../archive/read-tensor.ts';
import type { TorchScriptArchive } from '../archive/torchscript-archive.ts';
import type { UsedWeight } from '../symbolic/graph-values.ts';
import { codesTypeOf, onnxTypeOf } from '../symbolic/onnx-types.ts';

/** A smaller weight is copied into the model, because a reference would be as large. */
const MIN_REFERENCED_BYTES = 1024;

/**
 * The initializers for the weights that a graph uses. A weight that is contiguous in the archive (file `location`) and has a type
 * that ONNX holds becomes a reference. Others are copied.
 */
export async function placeWeights(
  archive: TorchScriptArchive,
  used: readonly UsedWeight[],
  location: string,
): Promise<OnnxTensor[]> {
  const placed: OnnxTensor[] = [];
  for (const { name, tensor } of used) {
    const { dtype } = tensor.storage;
    const datatype = onnxTypeOf(codesTypeOf(dtype));
    const dims = tensor.sizes;
    const range = dtype === 'bfloat16' ? undefined : contiguousRange(archive, tensor);
    if (range !== undefined && range.length >= MIN_REFERENCED_BYTES) {
      placed.push({ name, datatype, dims, data: { location, offset: range.offset, length: range.length } });
      continue;
    }
    const bytes = await readTensor(archive, tensor);
    placed.push({ name, datatype, dims, data: dtype === 'bfloat16' ? widen(bytes) : bytes });
  }
  return placed;
}

/** Converts bfloat16 to float32. The 16 bits are the upper half of the 32. */
function widen(bytes: Uint8Array): Uint8Array {
  const wide = new Uint8Array(bytes.length * 2);
  for (let i = 0; i + 1 < bytes.length; i += 2) {
    wide[2 * i + 2] = bytes[i] ?? 0;
    wide[2 * i + 3] = bytes[i + 1] ?? 0;
  }
  return wide;
}
