import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { atEndOfFile } from '@sconce/testing';
import { startStack } from '../support/stack.ts';

// Runs the examples of the client's README one after the other, as a reader would type them.

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

it('the examples of the client’s README run and print the output that the README shows', async () => {
  const stack = await startStack();
  await stack.push('affine');
  const readme = readFileSync(join(ROOT, 'libs/client/README.md'), 'utf8');
  const blocks = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code ?? '');
  expect(blocks.length).toBe(6);
  // Inside the project, so that the package name resolves as it does for users.
  const folder = join(ROOT, 'node_modules', '.cache', `readme-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  atEndOfFile(() => rmSync(folder, { recursive: true, force: true }));
  const script = join(folder, 'readme.mjs');
  writeFileSync(script, blocks.join('\n'));
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [script], {
    env: { PATH: process.env['PATH'], SCONCE_URL: stack.url },
  });
  expect(stderr).toBe('');
  for (const [, expected] of readme.matchAll(/; \/\/ (.+)$/gm)) expect(stdout).toContain(expected);
  expect(stdout).toMatch(/completed 1/);
  expect(stdout).toMatch(/^2 "oops"; expected a number/m);
});
