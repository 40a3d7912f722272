import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import { assertNoGrowth, snapshotResources, failOnLeaks } from './index.ts';

interface LeakCase {
  readonly kind: string;
  /** Opens the resource and returns a function that closes it. */
  readonly open: () => Promise<() => unknown>;
}

const LEAKS: readonly LeakCase[] = [
  {
    kind: 'timer',
    open: async () => {
      const timer = setInterval(() => undefined, 1_000);
      return () => clearInterval(timer);
    },
  },
  {
    kind: 'worker thread',
    open: async () => {
      const worker = new Worker('setInterval(() => {}, 1000)', { eval: true });
      await once(worker, 'online');
      worker.unref(); // a leak even if it does not keep the process alive
      return () => worker.terminate();
    },
  },
  {
    kind: 'TCPSocketWrap',
    open: async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const accepted = once(server, 'connection');
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
      const [peer] = (await accepted) as [typeof socket];
      return () => {
        socket.destroy();
        peer.destroy();
        server.close();
      };
    },
  },
  {
    kind: 'child process',
    open: async () => {
      const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
      await once(child, 'spawn');
      return () => child.kill('SIGKILL');
    },
  },
];

describe('the leak check', () => {
  failOnLeaks();

  it.each(LEAKS)('catches a leaked $kind, and passes once it is closed', async ({ kind, open }) => {
    const before = snapshotResources();
    const close = await open();
    await expect(assertNoGrowth(before, 50)).rejects.toThrow(kind);
    close();
    await assertNoGrowth(before);
  });

  it('waits for a resource that closes a little late', async () => {
    const before = snapshotResources();
    setTimeout(() => undefined, 100);
    await assertNoGrowth(before);
  });
});

describe('failOnLeaks', () => {
  failOnLeaks({ settleMs: 50 });

  // vitest counts a failing afterEach as the test's own failure, so an expected failure proves the hook.
  it.fails.each(LEAKS)('fails a test that leaves a $kind', async ({ open }) => {
    const close = await open();
    onTestFinished(async () => void (await close()));
  });

  it('passes a test that leaves nothing open', () => undefined);
});
