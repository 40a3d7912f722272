/* eslint-disable @nx/enforce-module-boundaries -- docs/ belongs to no library: `npm run docs` writes these files for people and for the API. */

/** The JSON documents that `npm run docs` writes. They are loaded when somebody first asks for one, not when the API starts. */
const DOCUMENTS = {
  openapi: () => import('../../../../docs/openapi.json', { with: { type: 'json' } }),
  'model-config-schema': () => import('../../../../docs/model-config.schema.json', { with: { type: 'json' } }),
} as const;

/** The text of a published document. */
export async function publishedDocument(name: keyof typeof DOCUMENTS): Promise<string> {
  const { default: document } = await DOCUMENTS[name]();
  return JSON.stringify(document);
}
