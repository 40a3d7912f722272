import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '@sconce/testing';
import { checkCommits, messageProblems } from './commit-messages.ts';

const GOOD = 'fix(queue): remove the listener of each wait\n\nThe signal lives as long as the process.';

it.each<[string, string, readonly RegExp[]]>([
  ['a right message', GOOD, []],
  ['a scope of two parts, a breaking change', 'feat(api,queue)!: drop the old field\n\nNobody reads it.', []],
  ['no type', 'remove the listener\n\nIt leaked.', [/^the subject is not "type: text"/]],
  ['an unknown type', 'merge: the queue\n\nIt is done.', [/^the subject is not/]],
  ['no text', 'fix(queue):\n\nIt leaked.', [/^the subject is not/]],
  ['a subject of 72 characters', `fix: ${'é'.repeat(67)}\n\nWhy.`, []],
  ['a subject of 73 characters', `fix: ${'é'.repeat(68)}\n\nWhy.`, [/has 73 characters: use at most 72/]],
  ['two topics', 'fix: one thing; another thing\n\nWhy.', [/two topics/]],
  ['no body', 'fix: one thing', [/no body/]],
  ['a body of trailers', 'fix: one thing\n\nSigned-off-by: A <a@example.com>', [/no body/]],
  ['no empty line', 'fix: one thing\nbecause it leaked', [/line 2 is not empty/]],
  ['all at once', `${'x'.repeat(80)};`, [/not "type/, /81 characters/, /two topics/, /no body/]],
])('%s', (_name, message, expected) => {
  expect(messageProblems(message)).toEqual(expected.map((pattern) => expect.stringMatching(pattern) as string));
});

/** A new Git repository with one commit from before the rules. */
function repository(): {
  readonly folder: string;
  readonly start: string;
  git(...args: string[]): string;
  commit(message: string): string;
} {
  const folder = temporaryFolder('commits');
  const git = (...args: string[]): string =>
    execFileSync('git', ['-c', 'user.name=A', '-c', 'user.email=a@example.com', ...args], {
      cwd: folder,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' },
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  const commit = (message: string): string => {
    git('commit', '--allow-empty', '--quiet', '-m', message);
    return git('rev-parse', '--short', 'HEAD');
  };
  git('init', '--quiet', '--initial-branch=main');
  commit('words of old; too many of them');
  return { folder, git, commit, start: git('rev-parse', 'HEAD') };
}

/** A tree without Git is not a clone; then there are no messages to check. */
const HAS_GIT = spawnSync('git', ['--version']).status === 0;

describe.skipIf(!HAS_GIT)('checkCommits', () => {
  it('checks the commits after the given one, and names each that is wrong', async () => {
    const { folder, start, commit } = repository();
    commit(GOOD);
    const wrong = commit('two; topics');
    const { problems, note } = await checkCommits(folder, start);
    expect(note).toBe('Commit messages: 2 checked.');
    expect(problems).toEqual([
      expect.stringMatching(new RegExp(`^${wrong} "two; topics"\n  - .*type.*\n  - .*\n  - .*`)),
    ]);
  });

  it('checks what came after the last release', async () => {
    const { folder, start, commit, git } = repository();
    commit('released with it');
    git('tag', 'v1.0.0');
    commit(GOOD);
    git('tag', 'some-other-tag');
    expect(await checkCommits(folder, start)).toEqual({ problems: [], note: 'Commit messages: 1 checked.' });
  });

  it('checks 50 commits when there is no release', async () => {
    const { folder, start, commit } = repository();
    commit('too old to be checked');
    for (let i = 0; i < 50; i++) commit(GOOD);
    expect(await checkCommits(folder, start)).toEqual({ problems: [], note: 'Commit messages: 50 checked.' });
  });

  it('does not check a merge commit, but what it brought in', async () => {
    const { folder, start, commit, git } = repository();
    git('checkout', '--quiet', '-b', 'side');
    commit('on the side');
    git('checkout', '--quiet', 'main');
    commit(GOOD);
    git('merge', '--quiet', '--no-ff', '-m', "Merge branch 'side'", 'side');
    const { problems, note } = await checkCommits(folder, start);
    expect(note).toMatch(/2 checked/);
    expect(problems).toEqual([expect.stringContaining('on the side')]);
  });

  it('passes with a note without the history', async () => {
    const { folder, start, commit } = repository();
    commit('wrong');
    const clone = temporaryFolder('shallow');
    execFileSync('git', ['clone', '--quiet', '--depth', '1', `file://${folder}`, clone]);
    expect(await checkCommits(clone, start)).toEqual({
      problems: [],
      note: expect.stringMatching(/NOT checked: the history does not go back to commit \w{7} .*--unshallow/) as string,
    });
  });

  it('passes with a note in a tree that is not a repository, or only part of one', async () => {
    const tarball = temporaryFolder('tarball');
    writeFileSync(join(tarball, 'package.json'), '{}');
    expect(await checkCommits(tarball)).toEqual({
      problems: [],
      note: expect.stringMatching(/NOT checked: .*not a git repository/) as string,
    });
    const { folder, start } = repository();
    mkdirSync(join(folder, 'inner'));
    expect((await checkCommits(join(folder, 'inner'), start)).note).toMatch(/NOT checked: .* is not the root/);
  });
});
