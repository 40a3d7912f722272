import { createHash } from 'node:crypto';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The folder in which the processes of this build keep V8's compiled code (NODE_COMPILE_CACHE), so that the next start need not compile
 * it. The folders of other builds are removed. It is inside the data folder, because only the owner of the data may write there: code in it
 * is run without a look at its content.
 */
export function compileCacheFolder(data: string, programs: readonly string[]): string {
  const parent = join(data, 'compile-cache');
  const build = createHash('sha256').update(process.version);
  for (const program of programs) {
    const { size, mtimeMs } = statSync(program);
    build.update(`\n${program} ${size} ${mtimeMs}`);
  }
  const own = build.digest('hex').slice(0, 16);
  for (const other of foldersIn(parent)) {
    if (other !== own) rmSync(join(parent, other), { recursive: true, force: true });
  }
  return join(parent, own);
}

function foldersIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
