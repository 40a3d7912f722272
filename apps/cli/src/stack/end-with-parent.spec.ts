import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '@sconce/testing';

it.each([
  [
    'is killed if it does not drain',
    `process.on('disconnect', () => {}); setInterval(() => {}, 1000);`,
    [null, 'SIGKILL'],
  ],
  ['may drain if it does', `process.on('disconnect', () => process.exit(6)); setInterval(() => {}, 1000);`, [6, null]],
])('a process whose parent died %s', async (_, source, ending) => {
  const program = join(temporaryFolder('orphan'), 'main.mjs');
  writeFileSync(program, `${source} process.send('up');`);
  const preload = new URL('./end-with-parent.ts?graceMs=100', import.meta.url).href;
  const child = fork(program, { execArgv: ['--import', preload] });
  await once(child, 'message');
  child.disconnect();
  expect(await once(child, 'exit')).toEqual(ending);
});
