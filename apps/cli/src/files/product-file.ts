import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { failure } from '../output/failure.ts';

/**
 * A file of the product beside the command line: in a checkout, or in the installed package, which has the same folders.
 * @param path relative to the top folder, such as `apps/api/dist/main.js`.
 * @throws SconceError `not_found` if no folder above this file has it.
 */
export function productFile(path: string): string {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const found = join(folder, path);
    if (existsSync(found)) return found;
    if (dirname(folder) === folder) {
      throw failure('not_found', `A file of the product does not exist: ${path}.`, { hint: 'Run: npm run build' });
    }
  }
}
