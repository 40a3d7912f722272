import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSettings } from './read-settings.ts';

function refused(env: Record<string, string>): string {
  try {
    readSettings('worker', env);
  } catch (error) {
    return (error as Error).message;
  }
  return 'taken';
}

describe('readSettings', () => {
  it('parses each value to its type', () => {
    const env = {
      SCONCE_THREADS: ' 3 ',
      SCONCE_WEBHOOK_ALLOW_PRIVATE: 'true',
      SCONCE_DATASET_ROOTS: '/a, s3://b/c,',
      SCONCE_POOL: '',
      SCONCE_INTRA_OP_THREADS: '',
      SCONCE_PORT: '8000',
      PATH: '/bin',
    };
    const settings = readSettings('worker', env);
    expect(settings).toMatchObject({
      SCONCE_THREADS: 3,
      SCONCE_WEBHOOK_ALLOW_PRIVATE: true,
      SCONCE_DATASET_ROOTS: ['/a', 's3://b/c'],
    });
    // An empty variable counts as not set.
    expect(settings.SCONCE_POOL).toBe('default');
    expect(settings.SCONCE_INTRA_OP_THREADS).toBeUndefined();
    // A setting of another program.
    expect('SCONCE_PORT' in settings).toBe(false);
  });

  it.each<[Record<string, string>, RegExp]>([
    [{ SCONCE_THREDS: '3' }, /^SCONCE_THREDS: there is no such setting\. Did you mean SCONCE_THREADS\?/],
    [{ SCONCE_API_SERVICE_HOST: '10.0.0.1' }, /^SCONCE_API_SERVICE_HOST: there is no such setting\. docs/],
    [{ SCONCE_THREADS: '0' }, /^SCONCE_THREADS: "0"; expected a whole number, 1 to 256\.$/],
    [{ SCONCE_THREADS: '1.5' }, /^SCONCE_THREADS: "1\.5"; expected a whole number/],
    [{ SCONCE_THREADS: '0x10' }, /^SCONCE_THREADS/],
    [{ SCONCE_LOG_LEVEL: 'loud' }, /one of trace, debug, info, warn, error, fatal\.$/],
    [{ SCONCE_WEBHOOK_ALLOW_PRIVATE: 'perhaps' }, /expected true or false\.$/],
    [{ SCONCE_REDIS_URL_FILE: '/nowhere/at/all' }, /^SCONCE_REDIS_URL_FILE: ENOENT/],
    [{ SCONCE_REDIS_URL_FILE: '/x', SCONCE_REDIS_URL: 'redis://y' }, /SCONCE_REDIS_URL is set too/],
    // Only secrets may be given as files.
    [{ SCONCE_POOL_FILE: '/x' }, /^SCONCE_POOL_FILE: there is no such setting/],
  ])('refuses %j', (env, message) => {
    expect(refused(env)).toMatch(message);
  });

  it('reports all errors at once and shows no secret', () => {
    const message = refused({ SCONCE_THREADS: 'x', SCONCE_FOO: '', SCONCE_REDIS_URL: 'http://user:hunter2@host' });
    expect(message.split('\n')).toHaveLength(3);
    expect(message).not.toContain('hunter2');
  });

  it('reads a secret from a file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'settings-'));
    const path = join(folder, 'url');
    writeFileSync(path, 'rediss://user:pass@host:6380\n');
    expect(readSettings('api', { SCONCE_REDIS_URL_FILE: path }).SCONCE_REDIS_URL).toBe('rediss://user:pass@host:6380');
    rmSync(folder, { recursive: true });
  });
});
