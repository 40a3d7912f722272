/** Writes docs/configuration.md, the list of all settings: `npm run docs`. */
import { writeFile } from 'node:fs/promises';
import { settingsPage } from '@sconce/process';
import { format, resolveConfig } from 'prettier';

/** The address of the page. */
export const PAGE = new URL('../docs/configuration.md', import.meta.url);

/** The text of the page, made from the settings. */
export async function configurationPage(): Promise<string> {
  return format(settingsPage(), { ...(await resolveConfig(PAGE)), parser: 'markdown' });
}

if (import.meta.main) await writeFile(PAGE, await configurationPage());
