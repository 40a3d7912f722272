import { describe, expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import { isRedisUrl, parseSentinelUrl, serverUrl } from './sentinel-url.ts';

const PLAIN = {
  sentinels: [{ host: 'a', port: 26_379 }],
  primaryName: 'main',
  sentinelTls: false,
  sentinelUsername: '',
  sentinelPassword: '',
  isSecure: false,
  username: '',
  password: '',
  database: 0,
};

describe('the URL of a Redis with Sentinels', () => {
  it.each([
    ['redis+sentinel://a/main', PLAIN],
    ['redis+sentinel://a/main/3', { ...PLAIN, database: 3 }],
    [
      'redis+sentinel://a:1,b.c:2,[::1]:3,[::2]/main',
      {
        ...PLAIN,
        sentinels: [
          { host: 'a', port: 1 },
          { host: 'b.c', port: 2 },
          { host: '::1', port: 3 },
          { host: '::2', port: 26_379 },
        ],
      },
    ],
    ['redis+sentinel://:p%40ss@a/main', { ...PLAIN, password: 'p@ss' }],
    ['redis+sentinel://u:p@ss@a/main', { ...PLAIN, username: 'u', password: 'p@ss' }],
    ['rediss+sentinel://a/main', { ...PLAIN, isSecure: true, sentinelTls: true }],
    ['rediss+sentinel://a/main?sentinel_tls=false', { ...PLAIN, isSecure: true }],
    [
      'redis+sentinel://a/my%20main/1?sentinel_username=w&sentinel_password=x%26y',
      { ...PLAIN, primaryName: 'my main', database: 1, sentinelUsername: 'w', sentinelPassword: 'x&y' },
    ],
  ])('%s is read', (url, read) => {
    expect(parseSentinelUrl(url)).toEqual(read);
    expect(isRedisUrl(url)).toBe(true);
  });

  it.each([
    ['redis+sentinel://a', /name of the primary is missing/],
    ['redis+sentinel://a/', /name of the primary is missing/],
    ['redis+sentinel:///main', /"" is not host:port/],
    ['redis+sentinel://a,/main', /"" is not host:port/],
    ['redis+sentinel://a:0/main', /"a:0" is not host:port/],
    ['redis+sentinel://a:99999/main', /"a:99999" is not/],
    ['redis+sentinel://::1/main', /"::1" is not host:port/],
    ['redis+sentinel://a/main/x', /"x" is not the number of a database/],
    ['redis+sentinel://a/main/1/2', /database/],
    ['redis+sentinel://a/main?password=x', /password is not known: known are sentinel_username/],
    ['redis+sentinel://a/main?sentinel_tls=1', /sentinel_tls must be true or false/],
    ['redis+sentinel://u:%zz@a/main', /% is not followed/],
    ['redis+sentinel:a/main', /cannot be read/],
  ])('%s is refused', (url, message) => {
    expect(() => parseSentinelUrl(url)).toThrow(message);
    expect(() => isRedisUrl(url)).toThrow(SconceError);
  });

  it('is told from other URLs', () => {
    const urls = ['redis://a:1/0', 'rediss://u:p@a', 'http://a', 'redis', 'redis://a:x', 'sentinel://a/main'];
    expect(urls.map((url) => [parseSentinelUrl(url), isRedisUrl(url)])).toEqual(
      [true, true, false, false, false, false].map((is) => [undefined, is]),
    );
  });

  it('gives the URL of a server', () => {
    const url = parseSentinelUrl('rediss+sentinel://u:p%40%2Fss@a/main/2')!;
    expect(serverUrl(url, { host: '::1', port: 7 }).href).toBe('rediss://u:p%40%2Fss@[::1]:7/2');
  });
});
