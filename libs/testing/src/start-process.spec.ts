import { existsSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { eventually, startProcess, temporaryFolder } from './index.ts';

const node = (script: string) => ({ command: process.execPath, args: ['-e', script] });

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('startProcess', () => {
  it('resolves with the ready line, collects both outputs and stops the process', async () => {
    const started = await startProcess({
      ...node('console.error("warming"); console.log("ready " + process.env.WHO); setInterval(() => {}, 1000)'),
      env: { WHO: 'you' },
      readyLine: /^ready (.*)/,
    });
    expect(started.readyLine).toBe('ready you');
    await eventually(() => started.output().includes('warming'));
    expect(await started.stop()).toEqual({ code: null, signal: 'SIGTERM' });
    expect(isAlive(started.pid)).toBe(false);
  });

  it('kills the children of the process, and the process itself when it ignores SIGTERM', async () => {
    const started = await startProcess({
      ...node(`
        const { pid } = require('child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
        process.on('SIGTERM', () => {});
        console.log('child ' + pid);
        setInterval(() => {}, 1000);`),
      readyLine: 'child ',
    });
    const grandchild = Number(started.readyLine.split(' ')[1]);
    expect(isAlive(grandchild)).toBe(true);
    expect((await started.stop(50)).signal).toBe('SIGKILL');
    await eventually(() => !isAlive(grandchild));
  });

  it.each([
    [
      'ends too early',
      { ...node('console.log("no port"); process.exit(3)'), readyLine: 'ready' },
      /exit code 3.*\nno port/s,
    ],
    [
      'is late',
      { ...node('console.log("slow"); setInterval(() => {}, 1000)'), readyLine: 'ready', timeoutMs: 600 },
      /600 ms.*/s,
    ],
    ['does not exist', { command: '/nonexistent/program' }, /ENOENT/],
  ])('fails with the tail of the output when the program %s', async (_name, options, message) => {
    await expect(startProcess(options)).rejects.toThrow(message);
  });
});

describe('temporaryFolder', () => {
  const inTest: string[] = [];
  // Registered after the library's own afterAll, so vitest runs it first: the folder must still exist.
  afterAll(() => expect(existsSync(inTest[0] ?? '')).toBe(true));

  it('makes a new folder each time, inside a test too', () => {
    inTest.push(temporaryFolder('a'), temporaryFolder('a'));
    expect(new Set(inTest).size).toBe(2);
  });
});

describe('eventually', () => {
  it('returns the first value that is not false', async () => {
    let calls = 0;
    expect(await eventually(() => ++calls === 3 && 'third')).toBe('third');
  });

  it('throws the last error after its timeout', async () => {
    const check = (): never => {
      throw new Error('still cold');
    };
    await expect(eventually(check, { timeoutMs: 30 })).rejects.toThrow('the check still fails after 30 ms: still cold');
  });
});
