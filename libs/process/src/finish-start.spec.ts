import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { finishStart } from './finish-start.ts';

describe('finishStart', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('releases memory once, and not before the first requests', () => {
    vi.useFakeTimers();
    const release = vi.fn();
    finishStart({ release });
    vi.advanceTimersByTime(900);
    expect(release).not.toHaveBeenCalled();
    vi.advanceTimersByTime(60_000);
    expect(release).toHaveBeenCalledTimes(1);
  });

  it('fills the compile cache of a process that is killed later', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sconce-finish-start-'));
    try {
      const script = join(folder, 'main.mjs');
      writeFileSync(
        script,
        `import { finishStart } from ${JSON.stringify(new URL('finish-start.ts', import.meta.url).href)};
         finishStart({ afterMs: 1, release: () => process.kill(process.pid, 'SIGKILL') });
         setTimeout(() => {}, 10_000);`,
      );
      const cache = join(folder, 'cache');
      expect(() =>
        execFileSync(process.execPath, [script], { env: { ...process.env, NODE_COMPILE_CACHE: cache } }),
      ).toThrow(/SIGKILL|Command failed/);
      expect(readdirSync(cache, { recursive: true }).length).toBeGreaterThan(1);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
