import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { temporaryFolder } from '@sconce/testing';
import { readHeldout } from './heldout.ts';

const EXAMPLE = fileURLToPath(new URL('../../../../examples/digits/heldout.csv', import.meta.url));

it('reads the labels and pixels of the example', async () => {
  const { labels, pixels } = await readHeldout(EXAMPLE);
  const [, ...lines] = readFileSync(EXAMPLE, 'utf8').trimEnd().split('\n');
  const numbers = lines.map((line) => line.split(',').map(Number));
  expect(labels).toEqual(numbers.map((row) => row[1]));
  expect([...pixels]).toEqual(numbers.flatMap((row) => row.slice(2)));
});

it.each([
  ['a file without rows', 'id,label,p0\n', /not a table/],
  ['a file without the pixel columns', 'id,label\n1,2\n', /not a table|cannot be read/],
  ['an empty file', '', /cannot be read/],
])('refuses %s and says what to do', async (_, text, message) => {
  const path = join(temporaryFolder('heldout'), 'heldout.csv');
  writeFileSync(path, text);
  await expect(readHeldout(path)).rejects.toMatchObject({
    code: 'invalid_request',
    message: expect.stringMatching(message),
    details: { hint: expect.any(String) },
  });
});

it('refuses a file that does not exist', async () => {
  await expect(readHeldout(join(temporaryFolder('heldout'), 'no.csv'))).rejects.toMatchObject({
    code: 'invalid_request',
  });
});
