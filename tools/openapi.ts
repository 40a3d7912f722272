/**
 * Writes docs/openapi.json from the route table of @sconce/contracts: `npm run docs`. The spec beside this file fails when the committed
 * file is not what this writes.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import {
  createDocument,
  type ZodOpenApiContentObject,
  type ZodOpenApiOperationObject,
  type ZodOpenApiResponseObject,
} from 'zod-openapi';
import { ROUTES, ROUTE_TAGS, type Route, type RouteContent, type RouteResponse } from '@sconce/contracts/routes';

/** Where the document is. */
export const OPENAPI_FILE = fileURLToPath(new URL('../docs/openapi.json', import.meta.url));

const ROOT_PACKAGE = new URL('../package.json', import.meta.url);

/** The text of the document. */
export async function renderOpenApi(): Promise<string> {
  const { version } = JSON.parse(await readFile(ROOT_PACKAGE, 'utf8')) as { version: string };
  const style = await resolveConfig(OPENAPI_FILE);
  return format(JSON.stringify(openApiDocument(version)), { ...style, parser: 'json' });
}

function openApiDocument(version: string): object {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
  for (const route of ROUTES) (paths[route.path] ??= {})[route.method] = operationOf(route);
  return createDocument(
    {
      openapi: '3.1.0',
      info: {
        title: 'Sconce',
        description: 'Inference for compiled PyTorch models, without Python',
        version,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      // The server that sends the document.
      servers: [{ url: '/' }],
      security: [{ bearer: [] }, { apiKey: [] }],
      tags: Object.entries(ROUTE_TAGS).map(([name, description]) => ({ name, description })),
      paths,
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            description: 'A key of the file that SCONCE_KEYS_FILE names. A server without keys needs none.',
          },
          apiKey: {
            type: 'apiKey',
            in: 'header',
            name: 'X-API-Key',
            description: 'The same key in a header of its own.',
          },
        },
      },
    },
    {
      // An answer may get further fields in a later release.
      override: ({ jsonSchema, io }) => {
        if (io === 'output' && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
      },
    },
  );
}

const ACCESS_TEXT: Readonly<Record<Route['access'], string>> = {
  nothing: 'Needs no key.',
  key: 'Needs a key, with any scope.',
  infer: 'Needs a key with the scope `infer`.',
  batch: 'Needs a key with the scope `batch`.',
  models: 'Needs a key with the scope `models`.',
  admin: 'Needs a key with the scope `admin`.',
};

function operationOf(route: Route): ZodOpenApiOperationObject {
  const { operationId, tag, summary, description, access, params, query, headers, body } = route;
  return {
    operationId,
    tags: [tag],
    summary,
    description: [description, ACCESS_TEXT[access]].filter((text) => text !== undefined).join(' '),
    ...(access === 'nothing' ? { security: [] } : {}),
    ...(route.isOnMetricsPort === true
      ? { servers: [{ url: 'http://127.0.0.1:8002', description: 'The metrics port (SCONCE_METRICS_PORT)' }] }
      : {}),
    requestParams: {
      ...(params === undefined ? {} : { path: params }),
      ...(query === undefined ? {} : { query }),
      ...(headers === undefined ? {} : { header: headers }),
    },
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: body.required,
            ...(body.description === undefined ? {} : { description: body.description }),
            content: contentOf(body.content),
          },
        }),
    responses: Object.fromEntries(
      Object.entries(route.responses).map(([status, response]) => [status, responseOf(response)]),
    ),
  };
}

function responseOf({ description, content, headers }: RouteResponse): ZodOpenApiResponseObject {
  return {
    description,
    ...(content === undefined ? {} : { content: contentOf(content) }),
    ...(headers === undefined
      ? {}
      : {
          headers: Object.fromEntries(
            Object.entries(headers).map(([name, text]) => [name, { description: text, schema: { type: 'string' } }]),
          ),
        }),
  };
}

function contentOf(content: Readonly<Record<string, RouteContent>>): ZodOpenApiContentObject {
  return Object.fromEntries(
    Object.entries(content).map(([mediaType, { schema, examples }]) => [
      mediaType,
      { schema, ...(examples === undefined ? {} : { examples }) },
    ]),
  );
}

if (import.meta.main) await writeFile(OPENAPI_FILE, await renderOpenApi());
