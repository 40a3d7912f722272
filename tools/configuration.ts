/** Writes docs/configuration.md: every setting there is. */
import { writeFile } from 'node:fs/promises';
import { settingsPage } from '@sconce/process';
import { format, resolveConfig } from 'prettier';

/** Where the page is kept. */
export const PAGE = new URL('../docs/configuration.md', import.meta.url);

/** The page as it should be. */
export async function configurationPage(): Promise<string> {
  return format(settingsPage(), { ...(await resolveConfig(PAGE)), parser: 'markdown' });
}

if (import.meta.main) await writeFile(PAGE, await configurationPage());
