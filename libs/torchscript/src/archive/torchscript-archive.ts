import type { ByteSource } from '@sconce/storage';

import type { PickleObject, PickleValue } from '../pickle/pickle-value.ts';

/** An open `.pt` file. The weights are ranges of the file, everything else is in memory. */
export interface TorchScriptArchive {
  /** The file. */
  readonly source: ByteSource;
  /** Archive format version from the `version` record (3 to 10). */
  readonly version: number;
  /** The root module, from `data.pkl`. */
  readonly root: PickleObject;
  /** The values of `CONSTANTS.c<i>` in the code, from `constants.pkl`. */
  readonly constants: readonly PickleValue[];
  /** Example inputs by method (`forward`): tensors with shapes and dtypes but no data. PyTorch 2.x writes them for traced modules. */
  readonly tracedInputs: ReadonlyMap<string, readonly PickleValue[]>;
  /** Serialised code by path below `code/`: `__torch__.py`, `__torch__/torch/nn/modules/linear.py`. */
  readonly sources: ReadonlyMap<string, SourceText>;
  /** The range of an uncompressed record (`data/0`) in the file; undefined if there is no such record, or it is compressed. */
  recordRange(record: string): ByteRangeInFile | undefined;
  /** A record's bytes, inflated if it is compressed. Bounded by the archive limits. */
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
  /** The place in the author's files from which the code at a UTF-8 byte offset of `text` came; undefined if it is not recorded. */
  originAt(offset: number): SourceOrigin | undefined;
}

/** A place in the author's own files. */
export interface SourceOrigin {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 0; undefined if the record has none (traces record only lines). */
  readonly column?: number;
  /** The line's text, if the archive holds it (for scripted code). */
  readonly text?: string;
  /** For traced code: the frames `file(line): function`, outermost last. */
  readonly stack: readonly string[];
}
