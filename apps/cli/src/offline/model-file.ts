import { SconceError } from '@sconce/errors';
import { SNIFF_HEAD_BYTES, sniffFormat } from '@sconce/models';
import { openFile, type OpenByteSource } from '@sconce/storage';
import { openArchive, type TorchScriptArchive } from '@sconce/torchscript';
import { MODEL_FILE, inputFile } from '../files/input-file.ts';

/** A TorchScript file, open. */
export interface TorchScriptFile {
  readonly kind: 'torchscript';
  /** The real path, with links resolved: ONNX Runtime does not read weights through links. */
  readonly path: string;
  readonly source: OpenByteSource;
  readonly archive: TorchScriptArchive;
}

/** An ONNX file, open. */
export interface OnnxFile {
  readonly kind: 'onnx';
  /** The real path, with links resolved. */
  readonly path: string;
  readonly source: OpenByteSource;
}

/** An open model file. Its content decides the kind. */
export type ModelFile = TorchScriptFile | OnnxFile;

/**
 * Opens a model file, runs `work` and closes the file.
 *
 * @throws UsageError if it cannot be opened; SconceError `model_invalid` if it is not a model.
 */
export async function withModel<T>(file: string, work: (model: ModelFile) => Promise<T>): Promise<T> {
  const { path } = inputFile(file, MODEL_FILE);
  const source = await openFile(path);
  try {
    return await work(await recognise(path, source));
  } finally {
    await source.close();
  }
}

async function recognise(path: string, source: OpenByteSource): Promise<ModelFile> {
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
