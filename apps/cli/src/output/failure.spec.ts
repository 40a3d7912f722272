import { describe, expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import { UsageError, failure, reportFailure } from './failure.ts';

describe('reportFailure', () => {
  it.each([
    ['bad usage', new UsageError('x is\nwrong', 'Do y.'), 2, 'error: x is wrong\nDo y.\n'],
    ['its own advice', failure('internal', 'broke', 'Do z.'), 1, 'error: broke\nDo z.\n'],
    [
      'advice by code',
      new SconceError('server_unreachable', 'none'),
      1,
      'error: none\nStart one with `sconce up`, or set SCONCE_URL.\n',
    ],
    ['anything thrown', new TypeError('a\n  b'), 1, /^error: a b\n[^\n]+\n$/],
  ])('%s is two lines', (_, thrown, code, text) => {
    let written = '';
    expect(reportFailure(thrown, (more) => (written += more))).toBe(code);
    expect(written).toEqual(typeof text === 'string' ? text : expect.stringMatching(text));
  });
});
