import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { noticesOf } from './notices.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

it('has each package once, with the text of its licence, and not the projects of this repository', async () => {
  const text = await noticesOf(
    [
      'node_modules/@nestjs/core/index.js',
      'node_modules/@nestjs/core/router/router-explorer.js',
      'node_modules/bullmq/dist/esm/index.js',
      'libs/queue/src/index.ts',
    ],
    ROOT,
  );
  expect(text.match(/^\S+ \d+\.\d+\.\d+: MIT$/gm)?.map((line) => line.split(' ')[0])).toEqual([
    '@nestjs/core',
    'bullmq',
  ]);
  expect(text.match(/Permission is hereby granted/g)).toHaveLength(2);
});

it.each(['api', 'worker'])('the built %s contains them', async (app) => {
  const text = await readFile(`${ROOT}apps/${app}/dist/THIRD-PARTY-NOTICES.txt`, 'utf8');
  expect(text).toMatch(/^bullmq \d+\.\d+\.\d+: MIT$/m);
});
