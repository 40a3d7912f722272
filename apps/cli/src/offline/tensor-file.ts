import { readFile } from 'node:fs/promises';
import { SconceError } from '@sconce/errors';
import { decodeSafetensors, type Tensor } from '@sconce/tensor';
import { inputFile } from '../files/input-file.ts';
import { failure } from '../output/failure.ts';

/**
 * Reads a safetensors file.
 *
 * @throws UsageError if it cannot be opened; SconceError `invalid_tensor` if it is not a safetensors file.
 */
export async function readTensors(file: string): Promise<Map<string, Tensor>> {
  const { path } = inputFile(file, 'a safetensors file');
  const bytes = await readFile(path).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw failure('storage_unavailable', `${file} cannot be read: ${reason}`, {
      hint: 'A file of at most 2 GiB can be read.',
      cause,
    });
  });
  try {
    return decodeSafetensors(bytes);
  } catch (error) {
    if (!(error instanceof SconceError)) throw error;
    const hint = 'Write it with safetensors: save_file({"x": tensor}, "input.safetensors").';
    throw failure('invalid_tensor', `${file}: ${error.message}`, { hint, cause: error });
  }
}
