import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { eventually, temporaryFolder } from '@sconce/testing';
import { isAlive, sconce, startSconce } from '../support/cli.ts';

describe('sconce demo', () => {
  it('scores the held-out rows with PyTorch’s accuracy, prints one JSON object, leaves no files or processes', async () => {
    const folder = temporaryFolder('demo');
    const { code, stdout, stderr } = await sconce(['demo', '--json'], { TMPDIR: folder });
    expect([code, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toMatchObject({
      accuracy: 0.98,
      rows: 500,
      rows_per_s: expect.any(Number),
      p50_ms: expect.any(Number),
      p99_ms: expect.any(Number),
      trace_id: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('prints the same for people, with a trace from the HTTP request to the native run', async () => {
    const { code, stdout } = await sconce(['demo']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/accuracy +98\.0 %/);
    expect(stdout).toMatch(/rows\/s/);
    const order = ['POST /v2/models/:model/infer', 'sconce.enqueue', 'sconce.queue', 'sconce.batch', 'sconce.run'];
    const places = order.map((name) => stdout.indexOf(name));
    expect(places.every((place) => place > 0)).toBe(true);
    expect(places).toEqual([...places].sort((left, right) => left - right));
  });

  it('cleans up when it is interrupted', async () => {
    const folder = temporaryFolder('interrupted');
    const { child, ended } = startSconce(['demo'], { TMPDIR: folder });
    await eventually(
      () => {
        expect(readdirSync(folder, { recursive: true })).toEqual(
          expect.arrayContaining([expect.stringMatching(/worker-1\.log$/)]),
        );
      },
      { timeoutMs: 20_000 },
    );
    child.kill('SIGINT');
    const { code, stderr } = await ended;
    expect([code, stderr]).toEqual([1, expect.stringContaining('interrupted')]);
    expect(readdirSync(folder)).toEqual([]);
    expect(isAlive(child.pid ?? 0)).toBe(false);
  });
});
