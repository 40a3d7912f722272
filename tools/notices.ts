import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';

const PACKAGE = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/;
const TEXTS = /^(licen[cs]e|notice|copying)([.-]|$)/i;

/**
 * The licences of the packages in a bundle, with their texts. Most licences require that users get the text with the code.
 * @param inputs paths of the bundle's modules, relative to `root`.
 */
export async function noticesOf(inputs: readonly string[], root: string): Promise<string> {
  const folders = new Set(inputs.flatMap((path) => PACKAGE.exec(path)?.[0] ?? []));
  const notices = await Promise.all([...folders].toSorted().map((folder) => noticeOf(join(root, folder))));
  return `${notices.join(`\n${'-'.repeat(80)}\n\n`)}`;
}

async function noticeOf(folder: string): Promise<string> {
  const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
    name: string;
    version: string;
    license?: string;
  };
  const files = (await readdir(folder)).filter((file) => TEXTS.test(file)).toSorted();
  const texts = await Promise.all(files.map(async (file) => readFile(join(folder, file), 'utf8')));
  return [`${name} ${version}: ${license ?? 'see below'}\n`, ...texts].map((text) => `${text.trimEnd()}\n`).join('\n');
}
