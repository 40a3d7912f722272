import { realpath, stat } from 'node:fs/promises';
import { SconceError } from '@sconce/errors';
import { SNIFF_HEAD_BYTES, sniffFormat } from '@sconce/models';
import { openFile, type OpenByteSource } from '@sconce/storage';
import { openArchive, type TorchScriptArchive } from '@sconce/torchscript';
import { UsageError } from '../output/failure.ts';

/** A TorchScript file, open. */
export interface TorchScriptFile {
  readonly kind: 'torchscript';
  /** Where it really lies, links followed: ONNX Runtime reads weights through none. */
  readonly path: string;
  readonly source: OpenByteSource;
  readonly archive: TorchScriptArchive;
}

/** An ONNX file, open. */
export interface OnnxFile {
  readonly kind: 'onnx';
  /** Where it really lies, links followed. */
  readonly path: string;
  readonly source: OpenByteSource;
}

/** A model file, told by its content. */
export type ModelFile = TorchScriptFile | OnnxFile;

/**
 * Opens a model file for the time of `work`.
 *
 * @throws UsageError where it cannot be opened, SconceError `model_invalid` where it is no model.
 */
export async function withModel<T>(file: string, work: (model: ModelFile) => Promise<T>): Promise<T> {
  const path = await existingFile(file, 'a model file: model.pt or model.onnx');
  const source = await openFile(path);
  try {
    return await work(await tell(path, source));
  } finally {
    await source.close();
  }
}

async function tell(path: string, source: OpenByteSource): Promise<ModelFile> {
  try {
    const head = await source.read(0, Math.min(SNIFF_HEAD_BYTES, source.size));
    if (sniffFormat(head) === 'onnx') return { kind: 'onnx', path, source };
    return { kind: 'torchscript', path, source, archive: await openArchive(source) };
  } catch (error) {
    if (!(error instanceof SconceError) || error.code !== 'model_invalid') throw error;
    const hint = 'Give a TorchScript file (torch.jit.save) or an ONNX file.';
    throw new SconceError(error.code, error.message, { cause: error, details: { ...error.details, hint } });
  }
}

/** The real path of a file that is to be read. @throws UsageError where there is none. */
export async function existingFile(file: string, what: string): Promise<string> {
  const hint = `Give the path of ${what}.`;
  try {
    const path = await realpath(file);
    if ((await stat(path)).isFile()) return path;
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new UsageError(`${file} ${missing ? 'does not exist' : 'can’t be read'}.`, hint);
  }
  throw new UsageError(`${file} is not a file.`, hint);
}
