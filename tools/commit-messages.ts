/**
 * Checks the messages of recent commits: `npm run commits`, and part of `npm run verify`. CONTRIBUTING.md has the rules.
 * A tree without its history (a tarball, a shallow clone) passes with a note.
 */
import { execFile } from 'node:child_process';
import { realpath } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/**
 * The last commit from before the rules. It and its ancestors are not checked: most of their subjects are too long, and few have a body.
 */
const LAST_UNCHECKED = 'df9e65a32cc2ddfa7956d82820d1e2a6865cfa5a';
/** How many commits are checked when no release is tagged. */
const MAX_COMMITS = 50;
const MAX_SUBJECT_CHARACTERS = 72;
const RELEASE_TAGS = 'v[0-9]*';
const MAX_LOG_BYTES = 16 * 1024 ** 2;

const TYPES = ['feat', 'fix', 'perf', 'refactor', 'docs', 'test', 'build', 'ci', 'style', 'chore', 'revert'];
const CONVENTIONAL = new RegExp(`^(${TYPES.join('|')})(\\([a-z0-9,/-]+\\))?!?: \\S`);
/** A line like `Signed-off-by: …`. It does not say why the change was made. */
const TRAILER = /^[A-Z][A-Za-z]*(-[A-Za-z]+)+: \S/;

/** What a check found. */
export interface CommitReport {
  /** One text for each commit with a wrong message: the commit, what is wrong, what to do. */
  readonly problems: readonly string[];
  /** How many messages were checked, or why none was. */
  readonly note: string;
}

/** Everything that is wrong with a commit's message. The list is empty when the message is right. */
export function messageProblems(message: string): string[] {
  const [subject = '', ...rest] = message.trimEnd().split('\n');
  const problems: string[] = [];
  if (!CONVENTIONAL.test(subject)) {
    problems.push(`the subject is not "type: text" or "type(scope): text", with one of the types ${TYPES.join(', ')}`);
  }
  const length = [...subject].length;
  if (length > MAX_SUBJECT_CHARACTERS) {
    problems.push(
      `the subject has ${length} characters: use at most ${MAX_SUBJECT_CHARACTERS}, and write the rest in the body`,
    );
  }
  if (subject.includes(';')) problems.push('the subject has two topics (";"): make one commit for each topic');
  if (rest.length > 0 && rest[0] !== '') problems.push('line 2 is not empty: put an empty line after the subject');
  if (!rest.some((line) => line.trim() !== '' && !TRAILER.test(line))) {
    problems.push('there is no body: say in a sentence why you made the change');
  }
  return problems;
}

/**
 * Checks the commits since the last release tag, or the last 50, of the repository whose root is `folder`.
 * Merge commits are not checked: Git writes their messages, and the commits that they bring in are checked themselves.
 * @param lastUnchecked this commit and its ancestors are not checked.
 * @throws if Git fails although the history is there.
 */
export async function checkCommits(folder: string, lastUnchecked = LAST_UNCHECKED): Promise<CommitReport> {
  const git = gitIn(folder);
  const reason = await missingHistory(git, folder, lastUnchecked);
  if (reason !== undefined) return { problems: [], note: `Commit messages were NOT checked: ${reason}.` };

  const tag = await git('describe', '--tags', '--abbrev=0', '--match', RELEASE_TAGS).catch(() => undefined);
  const range = tag === undefined ? [`--max-count=${MAX_COMMITS}`, 'HEAD'] : [`${tag.trim()}..HEAD`];
  const log = await git('log', '-z', '--no-merges', '--format=%h%n%B', ...range, `^${lastUnchecked}`, '--');
  const commits = log.split('\0').filter((entry) => entry !== '');
  return {
    problems: commits.flatMap((entry) => {
      const [hash = '', ...lines] = entry.split('\n');
      const found = messageProblems(lines.join('\n'));
      return found.length === 0
        ? []
        : [`${hash} "${lines[0] ?? ''}"\n${found.map((text) => `  - ${text}`).join('\n')}`];
    }),
    note: `Commit messages: ${commits.length} checked.`,
  };
}

type Git = (...args: readonly string[]) => Promise<string>;

/** Runs Git in a folder, without a shell. Variables that a Git hook sets would point it at another repository. */
function gitIn(folder: string): Git {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_')));
  return async (...args) => {
    const { stdout } = await promisify(execFile)('git', [...args], { cwd: folder, env, maxBuffer: MAX_LOG_BYTES });
    return stdout;
  };
}

/** Why the history cannot be checked; undefined when it can. */
async function missingHistory(git: Git, folder: string, lastUnchecked: string): Promise<string | undefined> {
  let root: string;
  try {
    root = (await git('rev-parse', '--show-toplevel')).trim();
  } catch (error) {
    return lastLine(error);
  }
  if ((await realpath(root)) !== (await realpath(folder))) return `${folder} is not the root of a Git repository`;
  const hasCommit = await git('cat-file', '-e', `${lastUnchecked}^{commit}`).then(
    () => true,
    () => false,
  );
  if (hasCommit) return undefined;
  return `the history does not go back to commit ${lastUnchecked.slice(0, 7)} (is the clone shallow? git fetch --unshallow)`;
}

function lastLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().split('\n').at(-1) ?? 'unknown reason';
}

if (import.meta.main) {
  const { problems, note } = await checkCommits(fileURLToPath(new URL('..', import.meta.url)));
  console.log(note);
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) {
    console.error(
      'Reword the commits: git commit --amend for the last one, git rebase -i for others. CONTRIBUTING.md has the rules.',
    );
    process.exitCode = 1;
  }
}
