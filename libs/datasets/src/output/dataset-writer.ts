import type { OutputBlock } from './output-encoder.ts';

/** A finished part. */
export interface FinishedPart {
  readonly rows: number;
  /** Bytes of its body, which becomes part of the file unchanged. */
  readonly bytes: number;
  /** The description of the part for the end of the file. */
  readonly trailer: Uint8Array;
}

/**
 * Writes one part of a file: the results of one chunk. The body becomes part of the file; the trailer is stored after it until the file is
 * assembled. Equal blocks give equal bytes.
 */
export interface PartWriter {
  /** The next bytes of the body. */
  write(block: OutputBlock): readonly Uint8Array[];
  /** The last bytes of the body, and the trailer. */
  end(): { readonly body: readonly Uint8Array[]; readonly trailer: Uint8Array };
}

/** A file of results: a beginning, the bodies of its parts in order, and an end. */
export interface DatasetWriter {
  /** The bytes before the parts. */
  begin(file: { readonly rows: number }): Uint8Array;
  part(): PartWriter;
  /** The bytes after the parts. */
  end(file: {
    readonly rows: number;
    readonly beginBytes: number;
    readonly parts: readonly FinishedPart[];
  }): Uint8Array;
}
