import { createReadStream } from 'node:fs';
import { createRequire } from 'node:module';
import type { FastifyInstance } from 'fastify';
import { publishedDocument } from './published-documents.ts';

/** Files of the package swagger-ui-dist that the page of /docs loads, with their media types. */
const UI_FILES: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
};

const INIT_SCRIPT = `window.onload = () => {
  SwaggerUIBundle({ url: document.body.dataset.document, dom_id: '#swagger-ui', deepLinking: true });
};
`;

/** Serves the OpenAPI document at /docs-json and a page that shows it at /docs. The page needs nothing from other servers. */
export function installDocuments(fastify: FastifyInstance): void {
  fastify.get('/docs', (request, reply) => {
    // Relative addresses, so that the page also works behind a proxy that serves it below a path.
    const isFolder = request.url.split('?')[0]?.endsWith('/') === true;
    return reply.type('text/html; charset=utf-8').send(page(isFolder ? '../' : './'));
  });
  fastify.get('/docs-json', async (_request, reply) => {
    return reply.type('application/json; charset=utf-8').send(await publishedDocument('openapi'));
  });
  // JSON is YAML too.
  fastify.get('/docs-yaml', async (_request, reply) => {
    return reply.type('text/yaml; charset=utf-8').send(await publishedDocument('openapi'));
  });
  fastify.get<{ Params: { file: string } }>('/docs/:file', (request, reply) => {
    const { file } = request.params;
    if (file === 'swagger-ui-init.js') return reply.type('text/javascript; charset=utf-8').send(INIT_SCRIPT);
    const mediaType = Object.hasOwn(UI_FILES, file) ? UI_FILES[file] : undefined;
    if (mediaType === undefined) return reply.callNotFound();
    const { resolve } = createRequire(import.meta.url);
    return reply.type(mediaType).send(createReadStream(resolve(`swagger-ui-dist/${file}`)));
  });
}

function page(root: string): string {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Sconce</title>
    <link rel="stylesheet" href="${root}docs/swagger-ui.css">
    <link rel="icon" href="${root}docs/favicon-32x32.png">
  </head>
  <body data-document="${root}docs-json">
    <div id="swagger-ui"></div>
    <script src="${root}docs/swagger-ui-bundle.js"></script>
    <script src="${root}docs/swagger-ui-init.js"></script>
  </body>
</html>
`;
}
