import { expect, it } from 'vitest';
import * as z from 'zod';
import {
  batchSpecSchema,
  chunkJobSchema,
  chunkPartSchema,
  inferJobSchema,
  noticeSchema,
  plannerJobSchema,
  registrationJobSchema,
  replyMetaSchema,
  webhookJobSchema,
  workerReportSchema,
} from '../index.ts';

const MESSAGES = {
  inferJobSchema,
  registrationJobSchema,
  plannerJobSchema,
  chunkJobSchema,
  webhookJobSchema,
  noticeSchema,
  workerReportSchema,
  replyMetaSchema,
  batchSpecSchema,
  chunkPartSchema,
};

interface JsonSchema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

/** Paths of the fields that have no description. */
function undescribed(schema: JsonSchema, path: string): string[] {
  const variants = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.items ? [schema.items] : [])];
  return [
    ...variants.flatMap((variant) => undescribed(variant, path)),
    ...Object.entries(schema.properties ?? {}).flatMap(([name, field]) => [
      ...(field.description === undefined ? [`${path}.${name}`] : []),
      ...undescribed(field, `${path}.${name}`),
    ]),
  ];
}

it.each(Object.entries(MESSAGES))('every field of %s has a description', (name, schema) => {
  const described = z.toJSONSchema(schema as z.ZodType, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
  expect(undescribed(described, name)).toEqual([]);
});
