/** Longest row of a text file, bytes. A longer row is a bad row and is not read. */
export const MAX_RECORD_BYTES = 16 * 1024 ** 2;

/** Most columns that a dataset may have. */
export const MAX_COLUMNS = 1_000_000;
