import type { ByteSource } from '@sconce/storage';

import type { PickleObject, PickleValue } from '../pickle/pickle-value.ts';

/** A `.pt` file that was opened: everything but the weights is in memory, the weights are ranges of the file. */
export interface TorchScriptArchive {
  /** The file. */
  readonly source: ByteSource;
  /** Archive format version, as the `version` record says (3 … 10). */
  readonly version: number;
  /** The root module, from `data.pkl`. */
  readonly root: PickleObject;
  /** What `CONSTANTS.c<i>` means in the code, from `constants.pkl`. */
  readonly constants: readonly PickleValue[];
  /** Example inputs by method (`forward`): tensors with shapes and dtypes but no data. PyTorch 2.x writes them for traced modules. */
  readonly tracedInputs: ReadonlyMap<string, readonly PickleValue[]>;
  /** Serialised code by path below `code/`: `__torch__.py`, `__torch__/torch/nn/modules/linear.py`. */
  readonly sources: ReadonlyMap<string, SourceText>;
  /** Where a record (`data/0`) lies in the file, where it is stored uncompressed; undefined where there is no such record. */
  recordRange(record: string): ByteRangeInFile | undefined;
  /** A record's bytes, inflated where need be. Bounded by the archive limits. */
  readRecord(record: string): Promise<Uint8Array>;
}

/** Bytes `[offset, offset + length)` of the archive file. */
export interface ByteRangeInFile {
  readonly offset: number;
  readonly length: number;
}

/** One file of serialised code. */
export interface SourceText {
  /** Path below `code/`. */
  readonly path: string;
  readonly text: string;
  /** Where the code at a UTF-8 byte offset of `text` came from in the author's files, from `.debug_pkl`; undefined where not recorded. */
  originAt(offset: number): SourceOrigin | undefined;
}

/** A place in the author's own files. */
export interface SourceOrigin {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 0; undefined where the record has none (traces record lines only). */
  readonly column?: number;
  /** The line's text, where the archive holds it (scripted code does). */
  readonly text?: string;
  /** Outermost frame last: `file(line): function`, for traced code. */
  readonly stack: readonly string[];
}
