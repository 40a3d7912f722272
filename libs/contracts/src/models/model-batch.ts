import * as z from 'zod';
import type { DeepReadonly } from '../deep-readonly.ts';

/** `dynamic`: any number of rows may share a run; `locked`: exactly `size` rows a run; `none`: each request runs alone. */
export const BATCH_AXES = ['dynamic', 'locked', 'none'] as const;

export type BatchAxis = (typeof BATCH_AXES)[number];

/** Whether rows of several requests may share a run, and how that is known. */
export const modelBatchSchema = z
  .strictObject({
    axis: z
      .enum(BATCH_AXES)
      .describe(
        'dynamic: any number of rows; locked: exactly `size` rows, smaller runs are padded; none: requests run alone.',
      ),
    size: z.int().positive().optional().describe('Rows of a run. Present exactly when `axis` is "locked".'),
    evidence: z.string().describe('How this is known, for people.'),
    inputs: z
      .array(z.string())
      .optional()
      .describe('Inputs whose axis 0 is the rows. Requests share a run only if all other inputs are equal.'),
    sizes: z.array(z.int().positive()).optional().describe('Numbers of rows that were run together as proof.'),
    max_deviation: z
      .number()
      .nonnegative()
      .optional()
      .describe(
        'Largest difference between a row alone and the same row among others, relative to the largest output.',
      ),
    source: z.string().optional().describe('The line of the model’s own code that fixes the size.'),
  })
  .refine(
    (batch) => (batch.axis === 'locked') === (batch.size !== undefined),
    'size belongs to the axis "locked", and to no other',
  )
  .meta({ id: 'ModelBatch', description: 'Whether rows of several requests may share a run, and how that is known.' });

export type ModelBatch = DeepReadonly<z.infer<typeof modelBatchSchema>>;
