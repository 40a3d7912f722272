import { z } from 'zod';

/** Where blobs are kept. */
export const storageConfigSchema = z.strictObject({
  /** Folder; created where it is missing. All API and worker processes of one installation share it. */
  root: z.string().min(1),
  /** Unfinished uploads older than this are removed when the store is opened: their process is gone. */
  staleTempMs: z
    .int()
    .positive()
    .default(24 * 60 * 60 * 1000),
});

/** Checked, with defaults. */
export type StorageConfig = z.output<typeof storageConfigSchema>;
/** As a person writes it. */
export type StorageConfigInput = z.input<typeof storageConfigSchema>;
