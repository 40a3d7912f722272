import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { encodeSafetensors, type Tensor } from '@sconce/tensor';
import { atEndOfFile, temporaryFolder } from '@sconce/testing';
import { readConfig } from '../config.ts';
import { runProgram } from '../program.ts';

let [stdout, stderr] = ['', ''];
beforeEach(() => {
  [stdout, stderr] = ['', ''];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((stdout += String(text)), true));
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((stderr += String(text)), true));
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** The answers to requests for the version, in turn. The last one repeats. */
let versions: object[] = [];
let pushed: { type: string; body: Buffer } | undefined;
const base = {
  name: 'm',
  version: '1',
  platform: 'onnx_onnxv1',
  size_bytes: 5,
  updated_at: '2026-11-01T00:00:00.000Z',
};
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    response.setHeader('content-type', 'application/json');
    if (request.method === 'POST') {
      pushed = { type: request.headers['content-type'] ?? '', body: Buffer.concat(chunks) };
      response.writeHead(202).end(JSON.stringify({ ...base, status: 'compiling' }));
    } else response.end(JSON.stringify({ ...base, ...(versions.length > 1 ? versions.shift() : versions[0]) }));
  });
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
atEndOfFile(() => {
  server.close();
  server.closeAllConnections();
});
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const run = (...args: string[]): Promise<number> => runProgram(args, readConfig({ SCONCE_URL: url }));

const tensor = (name: string): Tensor => ({ name, datatype: 'FP32', shape: [1], data: new Uint8Array(4) });

function files(): { model: string; config: string; cases: string } {
  const folder = temporaryFolder('push-command');
  const write = (name: string, content: string | Uint8Array): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  return {
    model: write('model.onnx', 'model'),
    config: write('config.json', '{"max_batch_size":4}'),
    cases: write('cases.safetensors', encodeSafetensors([tensor('0.in.0'), tensor('0.out.0')])),
  };
}

it('push sends config and cases, and shows the stages and the facts that registration found out', async () => {
  const { model, config, cases } = files();
  const at = (ms: number): string => new Date(Date.parse(base.updated_at) + ms).toISOString();
  versions = [
    { status: 'compiling' },
    { status: 'proving', updated_at: at(1_240) },
    { status: 'optimising', updated_at: at(1_500) },
    { status: 'ready', updated_at: at(61_500) },
  ];
  expect(await run('push', model, '--name', 'm', '--cases', cases, '--tolerance', '1e-2')).toBe(0);
  const form = await new Response(new Uint8Array(pushed?.body ?? []), {
    headers: { 'content-type': pushed?.type ?? '' },
  }).formData();
  expect([...form.keys()]).toEqual(['config', 'cases', 'model']);
  const [sentConfig, , sentModel] = await Promise.all([...form.values()].map((part) => new Response(part).text()));
  expect(JSON.parse(sentConfig ?? '')).toEqual({ max_batch_size: 4, tolerance: { rtol: 0.01, atol: 1e-5 } });
  expect(sentModel).toBe('model');
  expect(stderr).toMatch(
    new RegExp(
      `^config: ${config.replaceAll('.', '\\.')}\n` +
        'uploaded 5 B as m version 1\n {2}compiling {3}1.24 s\n {2}proving {5}0.26 s\n {2}optimising {2}60.00 s\n {2}ready\n$',
    ),
  );
  expect(stdout).toBe('m version 1: ready, onnx_onnxv1, 5 B\n');
});

it('a push that fails shows the known facts, the reason and what to do', async () => {
  const output = { name: 'y', ok: false, elements: 4, off: 2, max_abs: 0.5, max_rel: 0.5, spread_rel: 0.25 };
  const parity = { ok: false, calls: 1, rtol: 1e-4, atol: 1e-5, outputs: [output] };
  versions = [{ status: 'failed', parity, error: { code: 'parity_failed', message: 'outputs are off' } }];
  expect(await run('push', files().model, '--name', 'm')).toBe(1);
  expect(stderr).toMatch(
    / {2}failed\n[^]*y +5\.0e-1 +5\.0e-1 +2\.5e-1 +2 of 4 off\nerror: outputs are off\n.*--tolerance.*\n$/,
  );
  expect(stdout).toBe('');
});

it('a push with --json prints one value, also if it fails', async () => {
  const failed = { status: 'failed', error: { code: 'model_invalid', message: 'no' } };
  versions = [failed];
  expect(await run('push', files().model, '--name', 'm', '--json')).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject(failed);
  expect(stderr).toMatch(/^error: no\n.+\n$/);
});

it.each([
  ['an invalid config', '--config', '{"max_batch_size":-1}', 1, /config\.txt: .*max_batch_size is -1/],
  ['invalid cases', '--cases', 'nonsense', 1, /config\.txt: /],
  ['an invalid tolerance', '--tolerance', undefined, 2, /--tolerance takes RTOL/],
])('push refuses %s before it sends anything', async (_, option, content, code, message) => {
  pushed = undefined;
  const { model } = files();
  const file = join(temporaryFolder('push-command'), 'config.txt');
  if (content !== undefined) writeFileSync(file, content);
  expect(await run('push', model, '--name', 'm', option, content === undefined ? 'much' : file)).toBe(code);
  expect(stderr).toMatch(message);
  expect(stderr.trimEnd().split('\n')).toHaveLength(2);
  expect(pushed).toBeUndefined();
});
