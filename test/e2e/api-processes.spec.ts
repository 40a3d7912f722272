import { readFileSync, readdirSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { beforeAll, expect, it } from 'vitest';
import { eventually, temporaryFolder } from '@sconce/testing';
import { startSconce } from '../support/cli.ts';
import { affineRequest, startStack, type Process, type Stack } from '../support/stack.ts';

// Two API processes on one port.

let stack: Stack;
let api: Process;
let url = '';

beforeAll(async () => {
  stack = await startStack();
  await stack.push('affine');
  await stack.push('slow');
  api = await stack.startApi({ SCONCE_API_PROCESSES: '2' });
  url = api.ready.url ?? '';
});

/** Pids of the processes that the API's main process has started. */
function children(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => parentOf(pid) === api.pid)
    .map(Number);
}

function parentOf(pid: string): number {
  try {
    return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return 0; // It has just ended.
  }
}

/** One request on a connection of its own, so that the kernel chooses a process for it. */
function infer(model: string, init: RequestInit): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const call = request(`${url}/v2/models/${model}/infer`, { method: 'POST', agent: new Agent() }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    call.on('error', reject);
    call.end(init.body as string);
  });
}

const affine = (): ReturnType<typeof infer> => infer('affine', affineRequest([[1, 2, 3, 4]]));
const metrics = async (): Promise<string> => (await fetch(`${api.ready.metricsUrl}/metrics`)).text();

/** Answered infer requests by the number of the process. */
async function answered(): Promise<Record<string, number>> {
  const pattern =
    /^http_server_request_duration_seconds_count\{process="(\d)",.*infer",http_response_status_code="200",.*\} (\d+)$/gm;
  return Object.fromEntries(
    [...(await metrics()).matchAll(pattern)].map(([, process, count]) => [process, Number(count)]),
  );
}

it('both answer, and one scrape has the metrics of both', async () => {
  const answers = await Promise.all(Array.from({ length: 60 }, affine));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  const counts = await answered();
  expect(Object.keys(counts).sort()).toEqual(['1', '2']);
  expect((counts['1'] ?? 0) + (counts['2'] ?? 0)).toBe(60);
  // On the HTTP port too, whichever process answers.
  for (let times = 0; times < 4; times++) {
    const text = await (await fetch(`${url}/metrics`, { headers: { connection: 'close' } })).text();
    expect(text.match(/^# TYPE http_server_request_duration_seconds /gm)).toHaveLength(1);
    expect(new Set([...text.matchAll(/^\w+\{process="(\d)"/gm)].map(([, process]) => process))).toEqual(
      new Set(['1', '2']),
    );
  }
});

it('health and backlog are those of all processes', async () => {
  expect((await fetch(`${api.ready.metricsUrl}/health/ready`)).status).toBe(200);
  expect((await fetch(`${api.ready.metricsUrl}/backlog/default`)).status).toBe(200);
  expect((await fetch(`${api.ready.metricsUrl}/backlog/Not%20a%20pool`)).status).toBe(404);
});

it('a process that is killed is started again, and the other one answers meanwhile', async () => {
  const before = children();
  expect(before).toHaveLength(2);
  process.kill(before[0] as number, 'SIGKILL');
  // Its port is closed at once: no connection goes there.
  await eventually(async () => expect(await affine()).toMatchObject({ status: 200 }));
  await eventually(
    () => {
      const now = children();
      expect(now).toHaveLength(2);
      expect(now).not.toContain(before[0]);
      expect(now).toContain(before[1]);
    },
    { timeoutMs: 20_000 },
  );
  await eventually(
    async () => {
      await Promise.all(Array.from({ length: 20 }, affine));
      expect(Object.keys(await answered())).toHaveLength(2);
    },
    { timeoutMs: 20_000 },
  );
});

it('SIGTERM ends all processes, and what is in flight is answered', async () => {
  const pids = children();
  const steps = 2_000;
  const body = JSON.stringify({ inputs: [{ name: 'steps', datatype: 'INT64', shape: [1], data: [steps] }] });
  const inFlight = Array.from({ length: 12 }, () => infer('slow', { body }));
  await eventually(async () => {
    const waiting = [...(await metrics()).matchAll(/^sconce_outstanding_requests\{process="\d"\} (\d+)$/gm)];
    expect(waiting.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(12);
  });
  const stopped = api.stop();
  const answers = await Promise.all(inFlight);
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  expect(await stopped).toBe(0);
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
});

it('sconce up starts as many as it is told, and stops them', async () => {
  const up = startSconce(['up', '--port', '0', '--apis', '2', '--data', temporaryFolder('apis'), '--json']);
  const { url: own, metrics_url: metricsUrl } = JSON.parse(await up.firstLine) as { url: string; metrics_url: string };
  expect((await fetch(`${own}/v2/health/ready`)).status).toBe(200);
  expect(await (await fetch(`${metricsUrl}/metrics`)).text()).toContain('target_info{process="2"');
  up.child.kill('SIGINT');
  expect(await up.ended).toMatchObject({ code: 0 });
});
