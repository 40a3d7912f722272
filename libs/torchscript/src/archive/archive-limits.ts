const MIB = 2 ** 20;

/** Limits on the work of opening a `.pt` file. A file above a limit is refused with `model_invalid`. */
export interface ArchiveLimits {
  /** Entries of the zip directory. */
  readonly maxEntries: number;
  /** Bytes of the zip directory. */
  readonly maxDirectoryBytes: number;
  /** Inflated bytes of one record of code or pickles. */
  readonly maxTextRecordBytes: number;
  /** Inflated bytes of all records of code and pickles together. */
  readonly maxTextBytes: number;
  /** Inflated bytes of one record that `readRecord` reads into memory. */
  readonly maxRecordBytes: number;
  /** Opcodes of one pickle. The memory of its values is proportional to them. */
  readonly maxPickleOpcodes: number;
  /** Nesting depth of lists, dicts and objects. */
  readonly maxPickleNesting: number;
}

/** Enough for the largest models that PyTorch writes, and harmless for a server. */
export const DEFAULT_ARCHIVE_LIMITS: ArchiveLimits = {
  maxEntries: 65_536,
  maxDirectoryBytes: 32 * MIB,
  maxTextRecordBytes: 64 * MIB,
  maxTextBytes: 128 * MIB,
  maxRecordBytes: 1024 * MIB,
  maxPickleOpcodes: 3_000_000,
  maxPickleNesting: 400,
};
