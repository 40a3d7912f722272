/** Longest row of a text file, bytes. A longer row is a bad row and is not read. */
export const MAX_RECORD_BYTES = 16 * 1024 ** 2;

/** Bounds of the JSON of a row. Each array or object takes some 50 bytes of memory, whatever is in it. */
export const ROW_JSON = { maxValues: 16 * 1024 ** 2, maxDepth: 64, maxContainers: 512 * 1024 } as const;

/** Most columns that a dataset may have. */
export const MAX_COLUMNS = 1_000_000;
