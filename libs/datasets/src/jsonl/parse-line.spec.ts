import { expect, it } from 'vitest';
import { ROW_JSON } from '../limits.ts';
import { parseLine } from './parse-line.ts';

const nested = (depth: number): string => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`;
const many = (member: string, count: number): string => `{"a":[${`${member},`.repeat(count - 1)}${member}]}`;

it.each([
  ['many numbers', many('1', 1_000_000)],
  ['as many arrays as allowed', many('[]', ROW_JSON.maxContainers - 2)],
  ['as deep as allowed', `${nested(ROW_JSON.maxDepth)}${' '.repeat(5_000)}`],
  ['a long string of brackets', JSON.stringify({ a: '[{'.repeat(600_000) })],
  ['a short line that is deep', nested(200)],
])('reads a row with %s', (_name, text) => {
  expect(parseLine(Buffer.from(text)).value).toEqual(JSON.parse(text));
});

it.each<[string, string | Buffer, RegExp]>([
  ['20,000 levels', nested(20_000), /nested more than 64 levels/],
  ['15 MiB of empty arrays', many('[]', 5 * 1024 ** 2), /more than 524288 arrays/],
  ['15 MiB of empty objects', many('{}', 5 * 1024 ** 2), /more than 524288 arrays and objects/],
  ['text that is no JSON', `{"a":${'1'.repeat(5_000)},}`, /not JSON/],
  ['an array', '[1]', /not a JSON object/],
  ['bytes that are no text', Buffer.from([0x7b, 0xff, 0x7d]), /UTF-8/],
])('a row with %s is bad', (_name, text, problem) => {
  expect(parseLine(Buffer.from(text)).problem).toMatch(problem);
});
