import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { SconceClient } from '@sconce/client';
import { eventually, fixturePath, temporaryFolder } from '@sconce/testing';
import { isAlive, sconce, startSconce, type CliProcess, type Ended } from '../support/cli.ts';

// `sconce up` and the client commands, as a user runs them.

interface Up {
  readonly url: string;
  readonly pids: { readonly redis: number; readonly api: number; readonly workers: [number] };
}

async function startUp(data: string): Promise<CliProcess & { up: Up }> {
  const process = startSconce(['up', '--port', '0', '--data', data, '--json']);
  const line = await process.firstLine;
  if (line === '') throw new Error((await process.ended).stderr);
  return { ...process, up: JSON.parse(line) as Up };
}

const everyPid = ({ pids }: Up): number[] => [pids.redis, pids.api, ...pids.workers];

async function allGone(up: Up): Promise<void> {
  await eventually(
    () => {
      expect(everyPid(up).filter(isAlive)).toEqual([]);
    },
    { timeoutMs: 40_000 },
  );
}

describe('sconce up', () => {
  const data = temporaryFolder('up');
  let running: CliProcess & { up: Up };
  const run = (...args: string[]): Promise<Ended> => sconce(args, { SCONCE_URL: running.up.url });
  beforeAll(async () => {
    running = await startUp(data);
  });

  it('answers the client commands', async () => {
    const pushed = await run('push', fixturePath('affine'), '--name', 'affine');
    expect(pushed.code).toBe(0);
    expect(pushed.stderr).toMatch(/compiling[\s\S]*ready/);
    expect(pushed.stdout).toMatch(/affine version 1: ready[\s\S]*input +x +FP32\[-1,4\][\s\S]*batch +dynamic/);
    expect((await run('models')).stdout).toMatch(/affine +1 +ready +yes +dynamic +\d+\.\d KiB/);
    expect(JSON.parse((await run('models', '--json')).stdout)).toMatchObject([{ name: 'affine', status: 'ready' }]);
    const shown = await run('models', 'show', 'affine', '--json');
    expect(JSON.parse(shown.stdout)).toMatchObject({ name: 'affine', versions: [{ version: '1' }] });
    const inferred = await run('infer', 'affine', '--input', 'x=[[1, 2, 3, 4]]', '--json');
    expect(JSON.parse(inferred.stdout)).toMatchObject({
      model_name: 'affine',
      outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 4], data: [3, 5, 7, 9] }],
    });
    const binary = await run('infer', 'affine', '--input', 'x=[[1, 2, 3, 4]]', '--binary');
    expect(binary.stdout).toMatch(/y FP32\[1,4\]\n +3 +5 +7 +9/);
    const submitted = await run('infer', 'affine', '--input', 'x=[[1, 2, 3, 4]]', '--async');
    const id = submitted.stdout.trim();
    expect(submitted.stderr).toContain(`sconce jobs result ${id}`);
    expect((await run('jobs', 'result', id)).stdout).toMatch(/y FP32\[1,4\]\n +3 +5 +7 +9/);
    expect((await run('jobs', 'wait', id)).stdout).toBe(`${id}  succeeded  affine version 1\n`);
    expect((await run('jobs', 'show', id)).stdout).toMatch(/: succeeded\n[\s\S]*timing +queue [\d.]+ ms/);
    expect((await run('jobs', '--since', '1h')).stdout).toMatch(
      new RegExp(`^ ?ID[\\s\\S]*${id} +succeeded +affine/1 +\\d+s +0\\.\\d{3}`),
    );
    expect((await run('jobs', '--model', 'other')).stdout).toBe('No such jobs.\n');
    expect(await run('jobs', 'cancel', id)).toMatchObject({ code: 1, stderr: expect.stringContaining('jobs remove') });
    expect((await run('jobs', 'remove', id)).code).toBe(0);
    expect((await run('jobs', '--json')).stdout).toBe('[]\n');
    expect(await run('jobs', '--since', 'soon')).toMatchObject({ code: 2, stderr: expect.stringContaining('15m') });
    const benched = ['bench', 'affine', '--duration', '0.5', '--warmup', '0', '--concurrency'];
    const load = JSON.parse((await run(...benched, '4', '--rows', '2', '--json')).stdout) as { steps: object[] };
    expect(load.steps).toEqual([expect.objectContaining({ inFlight: 4, failed: {}, unsent: 0 })]);
    expect(load.steps).toMatchObject([{ succeeded: expect.any(Number), server: { rowsPerRun: expect.any(Number) } }]);
    const table = await run(...benched, '1,2');
    expect(table.stdout).toMatch(/IN FLIGHT +.*P99 MS.*\n +1 +[\d.]+.*\n +2 +[\d.]+/);
    expect(await run(...benched, '1', '--version', '9')).toMatchObject({ code: 1, stderr: expect.stringMatching(/9/) });
    const used = await run('models', 'remove', 'affine');
    expect([used.code, used.stderr]).toEqual([1, expect.stringMatching(/in use: it had a request .*\n.*--force/)]);
    expect((await run('models', 'remove', 'affine', '--force')).code).toBe(0);
    expect((await run('models')).stdout).toMatch(/No models/);
  });

  it('keeps traces, which are found by the ids in log lines and jobs', async () => {
    expect((await run('push', fixturePath('affine'), '--name', 'told')).code).toBe(0);
    const lines = readFileSync(join(data, 'logs', 'worker-1.log'), 'utf8')
      .trim()
      .split('\n');
    const ready = lines
      .map((line) => JSON.parse(line) as Record<string, string>)
      .find(({ msg, model }) => msg === 'model is ready' && model === 'told');
    await eventually(async () => {
      const drawn = await run('trace', ready?.['trace_id'] ?? '');
      expect(drawn.stdout).toMatch(/(PUT|POST) \/v1\/models[\s\S]*sconce\.register[\s\S]*sconce\.compile/);
    });
    const client = new SconceClient({ url: running.up.url });
    const inputs = [{ name: 'x', datatype: 'FP32' as const, shape: [1, 4], data: new Uint8Array(16) }];
    const { id } = await client.jobs.submit('told', { inputs, binary: true });
    await client.jobs.wait(id);
    const drawn = await run('trace', id);
    expect(drawn).toMatchObject({ code: 0, stderr: '' });
    expect(drawn.stdout).toMatch(/POST \/v1\/jobs[\s\S]*sconce\.queue[\s\S]*sconce\.batch[\s\S]*sconce\.run/);
    expect((await run('models', 'remove', 'told', '--force')).code).toBe(0);
  });

  it('changes the served version, loads, unloads and keeps a model in memory', async () => {
    for (const version of ['1', '2']) {
      expect((await run('push', fixturePath('affine'), '--name', 'two', '--version', version)).code).toBe(0);
    }
    expect((await run('models')).stdout).toMatch(/two +1 +ready +dynamic[^\n]*\n *two +2 +ready +yes +dynamic/);
    for (const [args, said] of [
      [['use', 'two', '--version', '1'], 'two serves version 1 (pinned)'],
      [['keep', 'two'], 'two serves version 1 (pinned), kept in memory'],
      [['keep', 'two', '--off'], 'two serves version 1 (pinned)'],
      [['unload', 'two'], 'two is unloaded; `sconce models load two` serves it again'],
      [['load', 'two'], 'two serves version 1 (pinned)'],
    ] as const) {
      expect(await run('models', ...args)).toMatchObject({ code: 0, stdout: `${said}\n` });
    }
    const refused = await run('models', 'remove', 'two');
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/default version.*\n.*models use/)]);
    const latest = await run('models', 'use', 'two', '--version', 'latest', '--json');
    expect(JSON.parse(latest.stdout)).toMatchObject({ default_version: 'latest', serving: '2', keep_loaded: false });
    expect(JSON.parse((await run('models', 'remove', 'two', '--json')).stdout)).toEqual({
      name: 'two',
      removed: ['2', '1'],
    });
  });

  it('refuses a corrupt file at push and gives the reason', async () => {
    const file = join(data, 'corrupt.onnx');
    // The file begins like ONNX, so only the runtime finds out that it is corrupt.
    writeFileSync(
      file,
      Buffer.concat([readFileSync(fixturePath('every-type')).subarray(0, 700), Buffer.alloc(300, 7)]),
    );
    const { code, stderr } = await run('push', file, '--name', 'corrupt');
    expect([code, stderr]).toEqual([1, expect.stringMatching(/error: .*(refused|model)/)]);
  });

  it('restarts a killed worker', async () => {
    const [victim] = running.up.pids.workers;
    process.kill(victim, 'SIGKILL');
    await run('push', fixturePath('affine'), '--name', 'after');
    const { stdout } = await run('infer', 'after', '--input', 'x=[[0, 0, 0, 0]]');
    expect(stdout).toMatch(/1 +1 +1 +1/);
  });

  it('refuses a second `sconce up` with the same data folder', async () => {
    const { code, stderr } = await sconce(['up', '--port', '0', '--data', data]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/Another `sconce up`.*\n.*--data/)]);
  });

  it('drains on Ctrl-C, exits with 0, leaves no process, and has its models after a restart', async () => {
    running.child.kill('SIGINT');
    expect((await running.ended).code).toBe(0);
    await allGone(running.up);
    running = await startUp(data);
    expect((await run('models')).stdout).toMatch(/after +1 +ready/);
    running.child.kill('SIGTERM');
    expect((await running.ended).code).toBe(0);
    await allGone(running.up);
  });

  it('leaves no process when it is killed with SIGKILL', async () => {
    const doomed = await startUp(temporaryFolder('doomed'));
    doomed.child.kill('SIGKILL');
    await allGone(doomed.up);
  });

  it('says that its port is in use', async () => {
    const other = await startUp(temporaryFolder('other'));
    const { port } = new URL(other.up.url);
    const { code, stderr } = await sconce(['up', '--port', port, '--data', temporaryFolder('taken')]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(new RegExp(`Port ${port} is in use.*\\n.*--port`))]);
    other.child.kill('SIGTERM');
    expect((await other.ended).code).toBe(0);
  });

  it('prints one line that begins with `ready`', async () => {
    const people = startSconce(['up', '--port', '0', '--data', temporaryFolder('people')]);
    expect(await people.firstLine).toMatch(/^ready http:\/\/127\.0\.0\.1:\d+$/);
    people.child.kill('SIGTERM');
    expect((await people.ended).code).toBe(0);
  });
});

describe('bad usage', () => {
  it.each([
    [['nope'], /unknown command 'nope'/],
    [['up', '--nope'], /unknown option '--nope'/],
    [['up', '--port', 'eighty'], /--port .*"eighty"/],
    [['up', '--workers', '0'], /--workers/],
    [['push', 'model.onnx'], /--name/],
    [['models', 'use', 'x'], /--version/],
    [['push', '/does/not/exist.onnx', '--name', 'x'], /does not exist/],
    [['push', '/', '--name', 'x'], /not a file/],
    [['infer', 'm'], /No inputs/],
    [['infer', 'm', '--input', 'x'], /name=JSON/],
    [['infer', 'm', '--input', 'x=[1,'], /not JSON/],
    [['infer', 'm', '--in', '/does/not/exist.json'], /does not exist/],
    [['bench', 'm', '--concurrency', '1,none'], /--concurrency .*"none"/],
    [['bench', 'm', '--rate', '0'], /--rate .*above 0/],
  ])('%j exits 2 with what and what to do', async (args, what) => {
    const { code, stdout, stderr } = await sconce(args);
    expect([code, stdout]).toEqual([2, '']);
    const lines = stderr.trimEnd().split('\n');
    expect(lines).toEqual([expect.stringMatching(what), expect.stringMatching(/\S/)]);
  });

  it('an unreachable server is failed work (exit code 1), not bad usage', async () => {
    const { code, stderr } = await sconce(['models'], { SCONCE_URL: 'http://127.0.0.1:9' });
    expect([code, stderr.trimEnd().split('\n')]).toEqual([
      1,
      [expect.stringMatching(/127\.0\.0\.1:9/), expect.stringMatching(/sconce up/)],
    ]);
  });

  it('help and version exit with 0', async () => {
    expect(await sconce(['--version'])).toMatchObject({ code: 0, stdout: '0.1.0\n' });
    const help = await sconce(['push', '--help']);
    expect([help.code, help.stdout]).toEqual([0, expect.stringMatching(/Examples?:/)]);
  });
});
