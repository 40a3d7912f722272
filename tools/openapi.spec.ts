import { readFile } from 'node:fs/promises';
import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, it } from 'vitest';
import { OPENAPI_FILE, renderOpenApi } from './openapi.ts';

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly in: string; readonly name: string; readonly required?: boolean }[];
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema?: object }>> }>
  >;
}

const document = JSON.parse(await readFile(OPENAPI_FILE, 'utf8')) as {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
};
const operations = Object.entries(document.paths).flatMap(([path, byMethod]) =>
  Object.entries(byMethod).map(([method, operation]) => ({ name: `${method} ${path}`, path, operation })),
);

it('docs/openapi.json is what `npm run docs` writes', async () => {
  expect(await readFile(OPENAPI_FILE, 'utf8')).toBe(await renderOpenApi());
});

it('the document is valid OpenAPI 3.1', async () => {
  expect(document.openapi).toMatch(/^3\.1\./);
  const result = await new Validator().validate(structuredClone(document) as Record<string, unknown>);
  expect(result.errors).toBeUndefined();
  expect(result.valid).toBe(true);
});

it('every parameter of a path is declared, and no other', () => {
  for (const { name, path, operation } of operations) {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter);
    const declared = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
    expect(
      declared.map((parameter) => parameter.name),
      name,
    ).toEqual(inPath);
    expect(
      declared.every(({ required }) => required),
      name,
    ).toBe(true);
  }
});

it('every operation has an id of its own', () => {
  const ids = operations.map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(ids.length);
});

it('every answer with a body has a schema', () => {
  for (const { name, operation } of operations) {
    for (const [status, { content = {} }] of Object.entries(operation.responses)) {
      for (const [mediaType, { schema }] of Object.entries(content)) {
        expect(schema, `${name} ${status} ${mediaType}`).toBeDefined();
      }
    }
  }
});
