const MIB = 2 ** 20;

/** What opening a `.pt` file may cost at most. A file that wants more is refused with `model_invalid`. */
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
  /** Opcodes of one pickle: what its values take in memory is proportional. */
  readonly maxPickleOpcodes: number;
  /** Levels of lists, dicts and objects within each other. */
  readonly maxPickleNesting: number;
}

/** Room for the largest models that PyTorch writes, far from what hurts a server. */
export const DEFAULT_ARCHIVE_LIMITS: ArchiveLimits = {
  maxEntries: 65_536,
  maxDirectoryBytes: 32 * MIB,
  maxTextRecordBytes: 64 * MIB,
  maxTextBytes: 128 * MIB,
  maxRecordBytes: 1024 * MIB,
  maxPickleOpcodes: 3_000_000,
  maxPickleNesting: 400,
};
