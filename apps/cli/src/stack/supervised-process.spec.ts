import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { atEndOfFile, eventually, temporaryFolder } from '@sconce/testing';
import { SupervisedProcess, type SupervisedOptions } from './supervised-process.ts';

const READY = `process.send({ type: 'ready', url: 'http://x', metricsUrl: 'http://m' });`;
const STAY = `process.on('disconnect', () => process.exit()); setInterval(() => {}, 1000);`;

let events: string[];
let gaveUp: Error | undefined;
beforeEach(() => {
  events = [];
  gaveUp = undefined;
});

/** A supervised process that runs `source`. */
function supervise(source: string, options: Partial<SupervisedOptions> = {}): SupervisedProcess & { logPath: string } {
  const folder = temporaryFolder('supervised');
  const modulePath = join(folder, 'main.mjs');
  const logPath = join(folder, 'part.log');
  writeFileSync(modulePath, source);
  const supervised = new SupervisedProcess({
    name: 'part',
    modulePath,
    env: { FOLDER: folder },
    logPath,
    onEvent: (text) => events.push(text),
    onGaveUp: (error) => (gaveUp = error),
    backoffMs: [1],
    ...options,
  });
  atEndOfFile(() => {
    supervised.kill();
  });
  return Object.assign(supervised, { logPath });
}

const pidOf = (part: SupervisedProcess): number => part.pid ?? 0;

describe('start', () => {
  it('returns the ready message, writes the output to the log, and stop drains the process', async () => {
    const part = supervise(
      `process.on('SIGTERM', () => { console.log('drained'); process.exit(0); }); ${READY} ${STAY}`,
    );
    expect(await part.start()).toEqual({ type: 'ready', url: 'http://x', metricsUrl: 'http://m' });
    await part.stop();
    expect(() => process.kill(pidOf(part), 0)).toThrow();
    await eventually(() => {
      expect(readFileSync(part.logPath, 'utf8')).toBe('drained\n');
    });
    expect(events).toEqual([]);
  });

  it('fails when the process ends before it is ready, and names the log', async () => {
    const part = supervise(`process.exit(3)`);
    await expect(part.start()).rejects.toMatchObject({
      message: 'The part ended (exit code 3) before it was ready.',
      details: { hint: `Its log is ${part.logPath}.` },
    });
    expect(events).toEqual([]);
  });

  it('fails when the process is not ready in time, and kills it', async () => {
    const part = supervise(STAY, { readyTimeoutMs: 150 });
    await expect(part.start()).rejects.toThrow('was not ready within 0.15 s');
    await eventually(() => {
      expect(() => process.kill(pidOf(part), 0)).toThrow();
    });
  });
});

describe('a death', () => {
  it('leads to a restart', async () => {
    const part = supervise(`${READY} ${STAY}`);
    await part.start();
    const first = pidOf(part);
    process.kill(first, 'SIGKILL');
    await eventually(() => {
      expect(pidOf(part)).not.toBe(first);
      process.kill(pidOf(part), 0);
    });
    expect(events).toEqual(['the part ended (SIGKILL); it is started again']);
    await part.stop();
    expect(gaveUp).toBeUndefined();
  });

  it('leads to no restart after 8 deaths in a minute, also if the restarted process never became ready', async () => {
    // The process becomes ready the first time only.
    const once = `import { existsSync, writeFileSync } from 'node:fs';
      const mark = process.env.FOLDER + '/mark';
      if (existsSync(mark)) process.exit(4);
      writeFileSync(mark, ''); process.send({ type: 'ready', metricsUrl: '' }, () => process.exit(5));`;
    const part = supervise(once);
    await part.start();
    await eventually(() => gaveUp !== undefined, { timeoutMs: 15_000 });
    expect(gaveUp?.message).toMatch(/^The part did not start .*exit code 4.* again, 9 times in a minute\.$/);
    expect(events.length).toBe(8);
    await part.stop();
  });

  it('leads to no restart after stop', async () => {
    const part = supervise(`${READY} ${STAY}`, { backoffMs: [50] });
    await part.start();
    process.kill(pidOf(part), 'SIGKILL');
    await eventually(() => events.length === 1);
    const last = pidOf(part);
    await part.stop();
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(pidOf(part)).toBe(last);
  });
});

it('kills the process when it does not drain in time', async () => {
  const part = supervise(`process.on('SIGTERM', () => {}); ${READY} ${STAY}`, { stopTimeoutMs: 100 });
  await part.start();
  await Promise.all([part.stop(), part.stop()]);
  expect(() => process.kill(pidOf(part), 0)).toThrow();
  expect(existsSync(part.logPath)).toBe(true);
});
