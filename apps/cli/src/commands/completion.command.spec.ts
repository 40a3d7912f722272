import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { temporaryFolder } from '@sconce/testing';
import { readConfig } from '../config.ts';
import { runProgram } from '../program.ts';

const folder = temporaryFolder('completion');

async function script(shell: string): Promise<string> {
  let text = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text += String(chunk);
    return true;
  });
  try {
    expect(await runProgram(['completion', shell], readConfig())).toBe(0);
  } finally {
    write.mockRestore();
  }
  return text;
}

describe('in bash', () => {
  /** What bash offers for the last word. */
  async function offered(...words: string[]): Promise<string[]> {
    const file = join(folder, 'sconce.bash');
    writeFileSync(file, await script('bash'));
    const line = words.map((word) => `'${word}'`).join(' ');
    const run = `source ${file}; COMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}; _sconce; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const text = execFileSync('bash', ['-c', run], { encoding: 'utf8', cwd: folder });
    return text.split('\n').filter((word) => word !== '');
  }

  it.each<[string[], string[]]>([
    [['sconce', 'mo'], ['models']],
    [['sconce', 'models', 'sh'], ['show']],
    [['sconce', 'models', 'show', '--ver'], ['--version']],
    [['sconce', 'up', '--work'], ['--workers']],
    [['sconce', 'jobs', 'list', '--status', 'f'], ['failed']],
    [['sconce', 'score', 'm', 'x.csv', '--dry'], ['--dry-run']],
    [
      ['sconce', 'nonsense', '--'],
      ['--help', '--version'],
    ],
  ])('%j', async (words, expected) => {
    expect(await offered(...words)).toEqual(expected);
  });

  it('offers every command first, and files as arguments', async () => {
    const first = await offered('sconce', '');
    expect(first).toEqual(expect.arrayContaining(['up', 'push', 'completion', 'help']));
    writeFileSync(join(folder, 'model.pt'), '');
    expect(await offered('sconce', 'inspect', 'mod')).toEqual(['model.pt']);
  });
});

it.each(['zsh', 'fish'])('the script for %s is one that the shell reads, where it is installed', async (shell) => {
  const text = await script(shell);
  expect(text).toContain(
    shell === 'zsh' ? 'bashcompinit' : 'complete -c sconce -f -n "not __fish_seen_subcommand_from demo',
  );
  const file = join(folder, `sconce.${shell}`);
  writeFileSync(file, text);
  const { error, status, stderr } = spawnSync(shell, ['-n', file], { encoding: 'utf8' });
  if (error === undefined) expect([status, stderr]).toEqual([0, '']);
});

it('is refused for another shell', async () => {
  const write = vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
  expect(await runProgram(['completion', 'cmd'], readConfig())).toBe(2);
  expect(write.mock.calls.join('')).toMatch(/bash, zsh, fish/);
  write.mockRestore();
});
