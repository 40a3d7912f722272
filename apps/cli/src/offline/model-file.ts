import { realpath, stat } from 'node:fs/promises';
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
    const head = await source.read(0, Math.min(SNIFF_HEAD_BYTES, source.size));
    if (sniffFormat(head) === 'onnx') return await work({ kind: 'onnx', path, source });
    return await work({ kind: 'torchscript', path, source, archive: await openArchive(source) });
  } finally {
    await source.close();
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
