import { expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import { SMALL_JSON, parseSmallJson } from './bounded-json.ts';

const { maxBytes, maxDepth, maxValues } = SMALL_JSON;
const array = (members: number): string => `[${'0,'.repeat(members - 1)}0]`;
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

it.each([
  ['as many values as allowed', array(maxValues - 1)],
  ['as deep as allowed', nested(maxDepth)],
  ['as many bytes as allowed', JSON.stringify('a'.repeat(maxBytes - 2))],
  ['brackets and commas in strings', JSON.stringify({ a: '[,'.repeat(10_000), '["': '\\"' })],
])('parses JSON with %s', (_name, text) => {
  expect(parseSmallJson(Buffer.from(text), 'body')).toEqual(JSON.parse(text));
});

it.each<[string, string, string, RegExp]>([
  ['too many values', array(maxValues), 'invalid_request', /at least 8193 values; expected at most 8192/],
  ['too many keys', `{${'"a":{},'.repeat(maxValues)}"b":1}`, 'invalid_request', /8193 values/],
  ['empty arrays', `{"inputs":[${'[],'.repeat(300_000)}[]]}`, 'invalid_request', /values/],
  ['too deep nesting', nested(maxDepth + 1), 'invalid_request', /at least 33 levels deep; expected at most 32/],
  ['very deep nesting', '['.repeat(500_000), 'invalid_request', /levels deep/],
  ['too many bytes', JSON.stringify('a'.repeat(maxBytes)), 'payload_too_large', /more than 1048576 bytes/],
  ['text that is no JSON', '{"a":}', 'invalid_request', /not JSON/],
  ['an end too early', '{"a":"', 'invalid_request', /not JSON/],
])('refuses JSON with %s', (_name, text, code, message) => {
  expect(() => parseSmallJson(Buffer.from(text), 'body')).toThrow(SconceError);
  expect(() => parseSmallJson(Buffer.from(text), 'body')).toThrow(
    expect.objectContaining({
      code,
      message: expect.stringMatching(message),
      details: expect.objectContaining({ param: 'body' }),
    }),
  );
});

it('refuses bytes that are no text', () => {
  expect(() => parseSmallJson(Buffer.from([0x22, 0xff, 0x22]), 'config')).toThrow(/config is not JSON/);
});
