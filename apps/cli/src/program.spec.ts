import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { atEndOfFile, temporaryFolder } from '@sconce/testing';
import type { CliConfig } from './config.ts';
import { readConfig } from './config.ts';
import { runProgram } from './program.ts';

let stdout = '';
let stderr = '';
beforeEach(() => {
  [stdout, stderr] = ['', ''];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((stdout += String(text)), true));
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((stderr += String(text)), true));
});
afterEach(() => {
  vi.restoreAllMocks();
});

const requests: string[] = [];
/** A fake API: one model with an INT64 input, whose answers have numbers that JavaScript numbers cannot hold. */
const server = createServer((request, response) => {
  requests.push(`${request.method} ${request.url}`);
  let body = '';
  request.on('data', (part: Buffer) => (body += part.toString()));
  request.on('end', () => {
    response.setHeader('content-type', 'application/json');
    const spec = { name: 'ids', datatype: 'INT64', shape: [-1, 2] };
    if (request.url === '/v2/models/m/versions/3')
      response.end(JSON.stringify({ name: 'm', inputs: [spec], outputs: [] }));
    else if (request.url?.endsWith('/infer') === true) {
      const sent = /"data":(\[[^\]]*\])/.exec(body)?.[1];
      response.end(
        `{"model_name":"m","model_version":"3","outputs":[{"name":"ids","datatype":"INT64","shape":[1,2],"data":${sent}},` +
          `{"name":"s","datatype":"FP64","shape":[2],"data":[1e999,null]}]}`,
      );
    } else
      response.end(
        JSON.stringify({
          name: 'm',
          version: '3',
          status: 'ready',
          platform: 'p',
          size_bytes: 1,
          object: 'list',
          data: [],
        }),
      );
  });
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
atEndOfFile(() => {
  server.close();
  server.closeAllConnections();
});
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const run = (args: readonly string[], env: Record<string, string> = { SCONCE_URL: url }): Promise<number> =>
  runProgram(args, readConfig(env) satisfies CliConfig);

describe('--version', () => {
  it('prints the program’s version', async () => {
    expect([await run(['--version']), stdout]).toEqual([0, '0.1.0\n']);
  });

  it('names a version of the model after a command', async () => {
    const file = join(temporaryFolder('program'), 'model.onnx');
    writeFileSync(file, 'x');
    requests.length = 0;
    expect(await run(['push', file, '--name', 'm', '--version', '3', '--json'])).toBe(0);
    expect(requests[0]).toBe('PUT /v1/models/m/versions/3');
    expect(JSON.parse(stdout)).toMatchObject({ version: '3', status: 'ready' });
    expect(stderr).toBe('');
    await run(['models', 'show', 'm', '--version', '3', '--json']);
    expect(requests.at(-1)).toBe('GET /v1/models/m/versions/3');
  });
});

describe('commands', () => {
  const NAMES =
    'demo up serve inspect compile check run push models infer jobs score batches trace bench keys completion'.split(
      ' ',
    );

  it('are all in the help', async () => {
    expect(await run(['--help'])).toBe(0);
    const names = [...stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name);
    expect(names).toEqual([...NAMES, 'help']);
  });

  it.each(NAMES)('%s has its own help', async (name) => {
    expect(await run([name, '--help'])).toBe(0);
    expect(stdout).toMatch(new RegExp(`^Usage: sconce ${name} `, 'm'));
  });

  it.each(['toString', 'upp', ''])('"%s" is no command', async (name) => {
    expect(await run([name])).toBe(2);
    expect(stderr).toContain('unknown command');
  });
});

describe('infer', () => {
  const big = '[[9007199254740993,-9223372036854775808]]';

  it('passes integers and infinities through exactly', async () => {
    expect(await run(['infer', 'm', '--version', '3', '--json', '--input', `ids=${big}`])).toBe(0);
    expect(stdout).toContain('"data":[9007199254740993,-9223372036854775808]');
    expect(stdout).toContain('"data":["Infinity",null]');
    expect(stdout.trimEnd().split('\n').length).toBe(1);
    expect(() => JSON.parse(stdout) as unknown).not.toThrow();
  });

  it('prints the same values for people', async () => {
    await run(['infer', 'm', '--version', '3', '--input', `ids=${big}`]);
    expect(stdout).toMatch(/ids INT64\[1,2\]\n {2}9007199254740993 {2}-9223372036854775808\n/);
    expect(stdout).toMatch(/s FP64\[2\]\n {2}Infinity {2}NaN\n/);
  });

  it('reads a whole protocol request from a file', async () => {
    const file = join(temporaryFolder('program'), 'request.json');
    writeFileSync(file, '{"inputs":[{"name":"ids","datatype":"INT64","shape":[1,2],"data":[1,2]}]}');
    expect(await run(['infer', 'm', '--version', '3', '--json', '--in', file])).toBe(0);
    expect(stdout).toContain('"data":[1,2]');
  });

  it('refuses a protocol request with parts that it would not send', async () => {
    const file = join(temporaryFolder('program'), 'request.json');
    writeFileSync(file, '{"inputs":[{"name":"ids","shape":[1,2],"data":[1,2]}],"outputs":[{"name":"s"}]}');
    expect(await run(['infer', 'm', '--version', '3', '--in', file])).toBe(2);
    expect(stderr).toMatch(/has "outputs"/);
  });

  it.each([['ids=[[1,2],[3]]'], ['ids=[["a","b"]]'], ['other=[[1,2]]']])('%s is bad usage', async (input) => {
    expect(await run(['infer', 'm', '--version', '3', '--input', input])).toBe(2);
    expect([stdout, stderr.trimEnd().split('\n').length]).toEqual(['', 2]);
  });
});

it.each(['foo', 'ftp://x', 'http//127.0.0.1'])('SCONCE_URL=%s is bad usage', async (address) => {
  expect(await run(['models'], { SCONCE_URL: address })).toBe(2);
  expect(stderr).toMatch(/SCONCE_URL is not an HTTP address.*\nSet it like/);
});

it('an empty SCONCE_URL means the default address', () => {
  expect(readConfig({ SCONCE_URL: ' ' }).url).toBe('http://127.0.0.1:8000');
});
