import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A commit of this repository, installed and built in a folder of its own. */
export interface OtherBuild {
  /** Short hash of the commit. */
  readonly commit: string;
  /** The command line's launcher of that build. */
  readonly launcher: string;
}

/**
 * Checks a commit out into a temporary folder, installs its dependencies and builds it. The folder is kept: the next comparison with the
 * same commit uses it again. `git worktree prune` forgets it after it was removed.
 *
 * @throws Error when git does not know the commit or its build fails.
 */
export function buildOtherCommit(revision: string): OtherBuild {
  const commit = git('rev-parse', '--verify', '--short=12', `${revision}^{commit}`);
  const folder = join(tmpdir(), `sconce-bench-${commit}`);
  const builtMark = join(folder, 'node_modules', '.sconce-bench-built');
  if (!existsSync(builtMark)) {
    process.stderr.write(`building ${commit} in ${folder}\n`);
    if (!existsSync(folder)) git('worktree', 'add', '--detach', '--force', folder, commit);
    execFileSync('npm', ['ci'], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
    writeFileSync(builtMark, '');
  }
  return { commit, launcher: join(folder, 'apps', 'cli', 'bin', 'sconce.mjs') };
}

function git(...args: readonly string[]): string {
  return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim();
}
