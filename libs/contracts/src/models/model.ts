import * as z from 'zod';
import type { DeepReadonly } from '../deep-readonly.ts';
import { listedVersionSchema } from './model-version.ts';
import { openAiModelFields } from './openai-model.ts';

const defaultVersion = z
  .string()
  .describe(
    'The version that requests without one get: `latest` (the highest that is ready), or a version that is ready.',
  );
const loaded = z.boolean().describe('Whether the model is served.');
const keepLoaded = z.boolean().describe('Whether threads that hold the model keep it when other models need room.');

/** What holds for all versions of a model. */
export interface ModelSettings {
  readonly default_version: string;
  readonly loaded: boolean;
  readonly keep_loaded: boolean;
}

/** A change of the settings of a model. An absent field stays as it is. */
export const modelSettingsPatchSchema = z
  .strictObject({
    default_version: defaultVersion.exactOptional(),
    loaded: loaded.exactOptional(),
    keep_loaded: keepLoaded.exactOptional(),
  })
  .refine((patch) => Object.keys(patch).length > 0, 'give default_version, loaded or keep_loaded')
  .meta({
    id: 'ModelSettingsPatch',
    description: 'A change of the settings of a model. Absent fields stay as they are.',
  });

export type ModelSettingsPatch = DeepReadonly<z.infer<typeof modelSettingsPatchSchema>>;

/** A model with its settings and versions. */
export const modelSchema = z
  .object({
    ...openAiModelFields,
    name: z.string(),
    default_version: defaultVersion,
    loaded,
    keep_loaded: keepLoaded,
    serving: z.string().nullable().describe('The version that requests without one get now; null if they are refused.'),
    disk_bytes: z.int().describe('Size of all files of all versions.'),
    versions: z.array(listedVersionSchema),
  })
  .meta({ id: 'Model', description: 'A model with its settings and versions.' });

export type Model = DeepReadonly<z.infer<typeof modelSchema>>;

/** Every version of every model, by name and version. */
export const modelListSchema = z
  .object({ object: z.literal('list'), data: z.array(listedVersionSchema) })
  .meta({ id: 'ModelList', description: 'Every version of every model, by name and version.' });

export type ModelList = DeepReadonly<z.infer<typeof modelListSchema>>;

/** Query of a push. */
export const poolSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/);
