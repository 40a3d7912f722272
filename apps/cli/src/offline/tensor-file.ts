import { readFile } from 'node:fs/promises';
import { SconceError } from '@sconce/errors';
import { decodeSafetensors, type Tensor } from '@sconce/tensor';
import { failure } from '../output/failure.ts';
import { existingFile } from './model-file.ts';

/**
 * Reads a safetensors file.
 *
 * @throws UsageError where it cannot be opened, SconceError `invalid_tensor` where it is no such file.
 */
export async function readTensors(file: string): Promise<Map<string, Tensor>> {
  const path = await existingFile(file, 'a safetensors file');
  const bytes = await readFile(path).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw failure('storage_unavailable', `${file} can’t be read: ${reason}`, 'Tensor files end at 2 GiB.', cause);
  });
  try {
    return decodeSafetensors(bytes);
  } catch (error) {
    if (!(error instanceof SconceError)) throw error;
    const hint = 'Write it with safetensors: save_file({"x": tensor}, "input.safetensors").';
    throw failure('invalid_tensor', `${file}: ${error.message}`, hint, error);
  }
}
