import type { OutputBlock } from './output-encoder.ts';

/** What is known of a finished part. */
export interface FinishedPart {
  readonly rows: number;
  /** Bytes of its body, which stands in the file as it is. */
  readonly bytes: number;
  /** What the end of the file needs to know of the part. */
  readonly trailer: Uint8Array;
}

/**
 * Writes one part of a file: the results of one chunk. Its body is what stands in the file; the trailer is kept behind it until the file
 * is put together. Equal blocks give equal bytes.
 */
export interface PartWriter {
  /** Bytes that come next in the body. */
  write(block: OutputBlock): readonly Uint8Array[];
  /** The body's last bytes, and the trailer. */
  end(): { readonly body: readonly Uint8Array[]; readonly trailer: Uint8Array };
}

/** A file of results: a beginning, the bodies of its parts one after the other, an end. */
export interface DatasetWriter {
  /** What stands in front of the parts. */
  begin(file: { readonly rows: number }): Uint8Array;
  part(): PartWriter;
  /** What stands behind them. */
  end(file: {
    readonly rows: number;
    readonly beginBytes: number;
    readonly parts: readonly FinishedPart[];
  }): Uint8Array;
}
