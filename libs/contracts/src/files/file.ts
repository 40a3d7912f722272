import * as z from 'zod';
import type { DeepReadonly } from '../deep-readonly.ts';
import { listSchemaOf } from '../lists/list.ts';

/** What a file is for, in OpenAI's words: `batch` is a dataset, `batch_output` the results of a batch. */
export const FILE_PURPOSES = ['batch', 'batch_output'] as const;

export type FilePurpose = (typeof FILE_PURPOSES)[number];

/** A file as OpenAI's clients know it. */
export const fileSchema = z
  .object({
    id: z.string().describe('`file-…`'),
    object: z.literal('file'),
    bytes: z.int(),
    created_at: z.int().describe('Epoch seconds.'),
    expires_at: z.int().optional().describe('Epoch seconds at which it is removed.'),
    filename: z.string(),
    purpose: z.enum(FILE_PURPOSES),
    status: z.literal('processed').describe('Always `processed`: a file that could not be stored does not exist.'),
  })
  .meta({ id: 'File', description: 'A dataset, or results of a batch.' });

export type File = DeepReadonly<z.infer<typeof fileSchema>>;

export const fileListSchema = listSchemaOf(fileSchema, { id: 'FileList', description: 'A page of files.' });

/** Query of a page of files. */
export const fileListQuerySchema = z.object({
  after: z.string().max(100).optional().describe('Id of the last file of the page before.'),
  limit: z.coerce.number().int().min(1).max(10_000).default(100).describe('Most files of the page.'),
  order: z.enum(['asc', 'desc']).default('desc').describe('By the time of upload.'),
  purpose: z.string().max(100).optional().describe('Only files of this purpose.'),
});

/** Fields of the form of an upload, besides the file. */
export const fileFieldsSchema = z.strictObject({
  purpose: z.literal('batch', 'must be "batch"'),
  'expires_after[anchor]': z.literal('created_at').optional(),
  'expires_after[seconds]': z.coerce
    .number()
    .int()
    .min(3_600)
    .max(2_592_000)
    .optional()
    .describe('Seconds after which the file is removed.'),
});

/** The answer to a removal. */
export const deletedFileSchema = z
  .object({ id: z.string(), object: z.literal('file'), deleted: z.literal(true) })
  .meta({ id: 'DeletedFile', description: 'A file that was removed.' });

export type DeletedFile = DeepReadonly<z.infer<typeof deletedFileSchema>>;
