import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { encodeInferRequest } from '@sconce/tensor';
import { atEndOfFile } from '@sconce/testing';
import { generateLoad, type LoadPlan } from './load.ts';

/** How the server answers its n-th request. */
let answer: (response: ServerResponse, n: number) => void;
const seen: { headers: Readonly<Record<string, unknown>>; body: Buffer }[] = [];
let inFlight = 0;
let maxInFlight = 0;
const server = createServer((request, response) => {
  inFlight += 1;
  maxInFlight = Math.max(maxInFlight, inFlight);
  response.once('close', () => (inFlight -= 1));
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    seen.push({ headers: request.headers, body: Buffer.concat(chunks) });
    answer(response, seen.length);
  });
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
atEndOfFile(() => {
  server.close();
  server.closeAllConnections();
});

const bodies = [1, 2].map((value) =>
  encodeInferRequest({
    inputs: [{ name: 'x', datatype: 'UINT8', shape: [1], data: Uint8Array.of(value) }],
    binary: true,
  }),
);

function load(plan: Partial<LoadPlan>, signal?: AbortSignal): ReturnType<typeof generateLoad> {
  [seen.length, maxInFlight] = [0, 0];
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v2/models/m/infer`);
  const options = signal === undefined ? {} : { signal };
  return generateLoad({ url, bodies, inFlight: 4, warmupSeconds: 0, seconds: 0.4, ...plan }, options);
}

const ok = (response: ServerResponse): void => {
  response.setHeader('server-timing', 'queue;dur=1.5, batch;dur=2;desc="3 rows", run;dur=0.5');
  response.end('{}');
};

describe('generateLoad', () => {
  it('keeps the given number of requests in flight, sends all bodies in turn, and counts every answer', async () => {
    answer = (response) => setTimeout(ok, 20, response);
    const report = await load({});
    expect(maxInFlight).toBe(4);
    expect(report.succeeded).toBe(seen.length);
    expect(report.perSecond).toBeLessThanOrEqual(4 / 0.02);
    expect(report.latencyMs.p50).toBeGreaterThanOrEqual(19);
    expect(report.latencyMs.max).toBeGreaterThanOrEqual(report.latencyMs.p50);
    expect(report.server).toEqual({ queueMs: 1.5, batchMs: 2, runMs: 0.5, rowsPerRun: 3 });
    expect({ failed: report.failed, unsent: report.unsent }).toEqual({ failed: {}, unsent: 0 });
    for (const [index, { headers, body }] of seen.entries()) {
      expect(body).toEqual(bodies[index % 2]?.body);
      expect(headers['inference-header-content-length']).toBe(String(bodies[0]?.headerLength));
    }
  });

  it('counts failures by status or error code, and not as answers', async () => {
    answer = (response, n) => {
      if (n % 3 === 0) response.socket?.destroy();
      else response.writeHead(n % 3 === 1 ? 429 : 200).end();
    };
    const { succeeded, failed } = await load({ inFlight: 1 });
    expect(Object.keys(failed).sort()).toEqual(['429', 'ECONNRESET']);
    expect(succeeded).toBeGreaterThan(0);
    expect(succeeded + (failed['429'] ?? 0) + (failed['ECONNRESET'] ?? 0)).toBe(seen.length);
  });

  it('sends at a fixed rate even if answers are slow, and measures from the due time of a request', async () => {
    answer = (response) => setTimeout(ok, 100, response);
    const calm = await load({ rate: 100, inFlight: 50 });
    expect(calm.unsent).toBe(0);
    expect(calm.succeeded).toBeGreaterThan(30);
    expect(maxInFlight).toBeGreaterThan(5);
    // Only two may be in flight: the others are due but not sent.
    const crowded = await load({ rate: 100, inFlight: 2 });
    expect(maxInFlight).toBe(2);
    expect(crowded.unsent).toBeGreaterThan(20);
  });

  it('does not count answers in the warm-up', async () => {
    answer = ok;
    const { succeeded } = await load({ warmupSeconds: 0.3, seconds: 0.1, inFlight: 1 });
    expect(succeeded).toBeGreaterThan(0);
    expect(succeeded).toBeLessThan(seen.length * 0.6);
  });

  it('ends when it is aborted, and reports the answers so far', async () => {
    answer = (response, n) => {
      if (n < 20) ok(response);
    };
    const controller = new AbortController();
    setTimeout(() => {
      controller.abort();
    }, 200);
    const report = await load({ seconds: 60 }, controller.signal);
    expect(report.succeeded).toBe(19);
    expect(report.failed).toEqual({});
  });
});
