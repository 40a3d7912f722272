import { expect, it } from 'vitest';
import { formatBytes } from './text.ts';

it.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [56_619, '55.3 KiB'],
  [3 * 1024 ** 3, '3.0 GiB'],
])('%i bytes are %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});
