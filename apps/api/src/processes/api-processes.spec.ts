import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { createLogger } from '@sconce/telemetry';
import { eventually, temporaryFolder } from '@sconce/testing';
import { ApiProcesses, type ApiProcessesOptions } from './api-processes.ts';

// The processes are a few lines that do what their environment says, instead of the API.

const folder = temporaryFolder('processes');
const modulePath = join(folder, 'program.mjs');
writeFileSync(
  modulePath,
  `const { PORT, ENDS, IGNORES } = process.env;
process.on('SIGTERM', () => { if (IGNORES === undefined) process.exit(0); });
process.on('disconnect', () => process.exit(0));
setInterval(() => undefined, 1000);
if (ENDS === 'before') process.exit(3);
process.send({ url: 'http://127.0.0.1:' + (PORT === '0' ? 4321 : PORT), metricsUrl: 'http://' + process.argv[2] });
if (ENDS === 'after') setTimeout(() => process.exit(4), 5);
`,
);

function processesWith(
  env: Readonly<Record<string, string>>,
  more: Partial<ApiProcessesOptions> = {},
): { readonly processes: ApiProcesses; readonly ports: number[]; readonly gaveUp: string[] } {
  const ports: number[] = [];
  const gaveUp: string[] = [];
  const processes = new ApiProcesses({
    count: 2,
    port: 0,
    modulePath,
    args: ['metrics'],
    environment: (port) => {
      ports.push(port);
      return { ...env, PORT: String(port) };
    },
    readyTimeoutMs: 10_000,
    stopTimeoutMs: 10_000,
    backoffMs: [1],
    logger: createLogger({ service: 'api', level: 'silent', destination: new Writable() }),
    onGaveUp: ({ message }) => gaveUp.push(message),
    ...more,
  });
  return { processes, ports, gaveUp };
}

it('all listen on the port that the first one found, and end with 0', async () => {
  const { processes, ports } = processesWith({});
  expect(await processes.start()).toBe('http://127.0.0.1:4321');
  expect(ports).toEqual([0, 4321]);
  expect(processes.metricsUrls).toEqual([
    { process: '1', url: 'http://metrics' },
    { process: '2', url: 'http://metrics' },
  ]);
  expect(await processes.stop()).toBe(true);
  expect(processes.metricsUrls).toEqual([]);
});

it('one that dies is started again on the same port', async () => {
  const { processes, ports } = processesWith({});
  await processes.start();
  const [first = 0, second] = processes.pids;
  process.kill(first, 'SIGKILL');
  await eventually(() => {
    expect(processes.pids).toHaveLength(2);
    expect(processes.pids).not.toContain(first);
    expect(processes.pids).toContain(second);
  });
  expect(ports).toEqual([0, 4321, 4321]);
  await eventually(() => expect(processes.metricsUrls).toHaveLength(2));
  expect(await processes.stop()).toBe(true);
});

it('one that dies again and again is given up', async () => {
  const { processes, ports, gaveUp } = processesWith({ ENDS: 'after' }, { count: 1 });
  await processes.start();
  await eventually(() => expect(gaveUp).toEqual(['API process 1 ended (4) again, 9 times in a minute.']), {
    timeoutMs: 20_000,
  });
  expect(ports).toHaveLength(9);
  expect(await processes.stop()).toBe(true);
});

it('a start fails if a process ends before it is ready, or is not ready in time', async () => {
  const ends = processesWith({ ENDS: 'before' });
  await expect(ends.processes.start()).rejects.toThrow('it ended (3) before it was ready');
  const late = processesWith({}, { readyTimeoutMs: 1 });
  await expect(late.processes.start()).rejects.toThrow('it was not ready within 0.001 s');
  await Promise.all([ends.processes.stop(), late.processes.stop()]);
});

it('one that does not end in time is killed', async () => {
  const { processes } = processesWith({ IGNORES: '1' }, { stopTimeoutMs: 100 });
  await processes.start();
  expect(await processes.stop()).toBe(false);
});
