import { describe, expect, it } from 'vitest';
import { parseModelName, parseModelVersion } from './index.ts';

describe('parseModelName', () => {
  it.each(['a', '0', 'resnet-50_v1.5', 'Stats', 'stats2', 'x'.repeat(128)])('takes %j', (name) => {
    expect(parseModelName(name)).toBe(name);
  });

  it.each(['', '.', '..', '-a', '_a', '.a', 'a/b', 'a b', 'ä', 'a\n', '\na', 'a\0', 'x'.repeat(129)])(
    'refuses %j',
    (name) => {
      expect(() => parseModelName(name)).toThrow(
        expect.objectContaining({ code: 'invalid_request', details: { param: 'name' } }),
      );
    },
  );

  it('says why "stats" is reserved', () => {
    expect(() => parseModelName('stats')).toThrow('GET /v2/models/stats');
  });
});

describe('parseModelVersion', () => {
  it.each(['1', '10', '9999999999'])('takes %j', (version) => {
    expect(parseModelVersion(version)).toBe(version);
  });

  it.each(['', '0', '01', '-1', '+1', '1.0', '1e3', ' 1', '1\n', 'v1', 'latest', '12345678901'])(
    'refuses %j',
    (version) => {
      expect(() => parseModelVersion(version)).toThrow(
        expect.objectContaining({ code: 'invalid_request', details: { param: 'version' } }),
      );
    },
  );
});
