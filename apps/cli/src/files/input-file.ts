import { accessSync, constants, realpathSync, statSync, type Stats } from 'node:fs';
import { UsageError } from '../output/failure.ts';

/** A file that a command reads. */
export interface InputFile {
  /** The real path, with links resolved: ONNX Runtime does not read weights through links. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

/** The name of a model file in hints. */
export const MODEL_FILE = 'a model file: model.pt or model.onnx';

/**
 * Checks a file before a command reads it. `what` names the kind of file in the hint: `Give the path of <what>.`
 *
 * @throws UsageError if it does not exist, is not a file or cannot be read.
 */
export function inputFile(file: string, what: string): InputFile {
  const hint = `Give the path of ${what}.`;
  let path: string;
  let stats: Stats;
  try {
    path = realpathSync(file);
    stats = statSync(path);
    accessSync(path, constants.R_OK);
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'cannot be read';
    throw new UsageError(`${file} ${why}.`, hint);
  }
  if (!stats.isFile()) throw new UsageError(`${file} is not a file.`, hint);
  return { path, size: stats.size };
}

/** Like `inputFile`. @throws UsageError also if the file is empty. */
export function nonEmptyFile(file: string, what: string): InputFile {
  const found = inputFile(file, what);
  if (found.size === 0) throw new UsageError(`${file} is empty.`, `Give the path of ${what}.`);
  return found;
}
