import * as z from 'zod';

/** The fields of a model that OpenAI's clients read. */
export const openAiModelFields = {
  id: z.string().describe('The name, or `name:version` for a version that requests without a version do not get.'),
  object: z.literal('model'),
  created: z.int().describe('Epoch seconds.'),
  owned_by: z.literal('sconce'),
};
