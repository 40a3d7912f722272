/** What older writers wrote wrongly into the headers of their pages of version 2. */
export interface WriterFaults {
  /** Pages are compressed, whatever `is_compressed` says. */
  readonly alwaysCompressed: boolean;
  /** `num_rows` of pages of lists is wrong, and a row may continue in the next page. */
  readonly wrongRows: boolean;
}

/** The first versions of Arrow's C++ writer without the faults. The second one is generous: without row counts reading is only slower. */
const COMPRESSION_FIXED = 3;
const ROWS_FIXED = 20;

/** The faults of the writer that the footer names. Readers of Arrow decide by the version too. */
export function faultsOfWriter(createdBy: string | undefined): WriterFaults {
  const [, version] = /^parquet-cpp(?:-arrow)? version (\d+)\./.exec(createdBy ?? '') ?? [];
  const major = version === undefined ? Infinity : Number(version);
  return { alwaysCompressed: major < COMPRESSION_FIXED, wrongRows: major < ROWS_FIXED };
}
