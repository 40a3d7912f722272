import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { eventually, fixturePath } from '@sconce/testing';
import { affineRequest, startStack, type Stack } from '../support/stack.ts';

// Tests which version answers during a switch under traffic, and the removal of versions in use. Version 1 is `affine`
// (y = 2x + 1), version 2 `row-mixing` (softmax over the batch: 1 for a single row), version 3 `affine` again.

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});

interface Answer {
  readonly model_version: string;
  readonly outputs: readonly { readonly data: readonly number[] }[];
}

const EXPECTED: Readonly<Record<string, (x: number) => number[]>> = {
  1: (x) => [2 * x + 1, 1, 1, 1],
  2: () => [1, 1, 1, 1],
  3: (x) => [2 * x + 1, 1, 1, 1],
};

async function patch(name: string, settings: object): Promise<Response> {
  return stack.fetch(`/v1/models/${name}`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(settings),
  });
}

async function versionOf(name: string): Promise<string> {
  const response = await stack.fetch(`/v2/models/${name}/infer`, affineRequest([[1, 0, 0, 0]]));
  expect(response.status).toBe(200);
  return ((await response.json()) as Answer).model_version;
}

/** Callers that send one request after the other until they are stopped. Every answer is checked. */
function traffic(name: string, callers: number): { stop(): Promise<{ answers: number; failures: string[] }> } {
  let stopping = false;
  let answers = 0;
  const failures: string[] = [];
  const running = Array.from({ length: callers }, async (_, caller) => {
    for (let n = caller; !stopping; n = (n + callers) % 1_000) {
      const response = await stack.fetch(`/v2/models/${name}/infer`, affineRequest([[n, 0, 0, 0]]));
      const text = await response.text();
      answers += 1;
      if (response.status !== 200) {
        failures.push(`${response.status} ${text}`);
        continue;
      }
      const { model_version: version, outputs } = JSON.parse(text) as Answer;
      const expected = EXPECTED[version]?.(n);
      if (JSON.stringify(outputs[0]?.data) !== JSON.stringify(expected)) failures.push(`${n}: ${text}`);
    }
  });
  return {
    stop: async () => {
      stopping = true;
      await Promise.all(running);
      return { answers, failures };
    },
  };
}

describe('the default version', () => {
  it('switches under traffic without a failed request or a mixed answer', async () => {
    await stack.push('affine', { name: 'switched', version: '1' });
    await stack.push('row-mixing', { name: 'switched', version: '2' });
    const load = traffic('switched', 8);
    for (const [wanted, serving] of [
      ['latest', '2'],
      ['1', '1'],
      ['2', '2'],
      ['1', '1'],
      ['latest', '2'],
      ['1', '1'],
    ] as const) {
      const response = await patch('switched', { default_version: wanted });
      expect([response.status, await response.json()]).toMatchObject([200, { default_version: wanted, serving }]);
      // This API made the switch, so its requests get the new version from now on.
      expect(await Promise.all([versionOf('switched'), versionOf('switched')])).toEqual([serving, serving]);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    // A new version gets no requests while another one is the default, and all of them when `latest` is the default.
    await stack.push('affine', { name: 'switched', version: '3' });
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await versionOf('switched')).toBe('1');
    expect((await patch('switched', { default_version: 'latest' })).status).toBe(200);
    expect(await versionOf('switched')).toBe('3');
    const { answers, failures } = await load.stop();
    expect(failures).toEqual([]);
    expect(answers).toBeGreaterThan(100);
    expect(await versionOf('switched')).toBe('3');
  });

  it('changes to the latest version when that becomes ready', async () => {
    await stack.push('affine', { name: 'followed', version: '1' });
    const load = traffic('followed', 4);
    await stack.push('row-mixing', { name: 'followed', version: '2' });
    await eventually(async () => expect(await versionOf('followed')).toBe('2'), { timeoutMs: 10_000 });
    expect((await load.stop()).failures).toEqual([]);
  });

  it('must be a version that is ready; the refusal of another says why', async () => {
    await stack.push('affine', { name: 'picky', version: '1' });
    const body = Buffer.concat([readFileSync(fixturePath('every-type')).subarray(0, 700), Buffer.alloc(300, 7)]);
    await stack.fetch('/v1/models/picky/versions/2', { method: 'PUT', body });
    await expect
      .poll(async () => (await stack.fetch('/v1/models/picky/versions/2')).json(), { timeout: 20_000 })
      .toMatchObject({ status: 'failed' });
    for (const [settings, status, code, message] of [
      [{ default_version: '2' }, 503, 'model_not_ready', /version 2 of model picky is failed/],
      [{ default_version: '7' }, 404, 'model_not_found', /version 7 is not found: it has 2, 1/],
      [{ default_version: 'newest' }, 400, 'invalid_request', /"newest"/],
      [{ default_version: 1 }, 400, 'invalid_request', /default_version/],
      [{ kept: true }, 400, 'invalid_request', /kept/],
      [{}, 400, 'invalid_request', /default_version, loaded or keep_loaded/],
    ] as const) {
      const response = await patch('picky', settings);
      expect([response.status, await response.json()]).toMatchObject([
        status,
        { error: { code, message: expect.stringMatching(message) } },
      ]);
    }
    expect((await patch('unknown', { loaded: true })).status).toBe(404);
    expect(await versionOf('picky')).toBe('1');
  });
});

describe('the state of a model', () => {
  it('shows the served version and its size on disk, and can be set to loaded or unloaded', async () => {
    await stack.push('affine', { name: 'shown', version: '1' });
    const bytes = readFileSync(fixturePath('affine')).byteLength;
    const show = async (): Promise<Record<string, unknown>> =>
      (await (await stack.fetch('/v1/models/shown')).json()) as Record<string, unknown>;
    const shown = await show();
    expect(shown).toMatchObject({
      name: 'shown',
      default_version: 'latest',
      loaded: true,
      keep_loaded: false,
      serving: '1',
      versions: [{ version: '1', status: 'ready', serving: true, disk_bytes: shown['disk_bytes'] }],
    });
    expect(shown['disk_bytes']).toBeGreaterThan(bytes);
    const { data } = (await (await stack.fetch('/v1/models')).json()) as { data: { name: string }[] };
    expect(data.filter(({ name }) => name === 'shown')).toEqual(shown['versions']);
    const metrics = await (await fetch(`${stack.api.ready.metricsUrl}/metrics`)).text();
    expect(metrics).toMatch(new RegExp(`sconce_model_disk_bytes\\{[^}]*model="shown"[^}]*\\} ${shown['disk_bytes']}`));

    expect((await patch('shown', { loaded: false, keep_loaded: true })).status).toBe(200);
    expect(await show()).toMatchObject({ loaded: false, keep_loaded: true, serving: null });
    expect((await stack.fetch('/v2/models/shown/infer', affineRequest([[1, 2, 3, 4]]))).status).toBe(503);
    // The repository extension shows and changes the same state.
    expect((await stack.fetch('/v2/repository/models/shown/load', { method: 'POST' })).status).toBe(200);
    expect(await show()).toMatchObject({ loaded: true, keep_loaded: true, serving: '1' });
    expect(await versionOf('shown')).toBe('1');
  });
});

describe('removal', () => {
  const remove = (path: string): Promise<Response> => stack.fetch(`/v1/models/${path}`, { method: 'DELETE' });
  const refusal = async (path: string): Promise<string> => {
    const response = await remove(path);
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    expect([response.status, error.code]).toEqual([409, 'version_in_use']);
    return error.message;
  };

  it('is allowed for a version that is not in use', async () => {
    await stack.push('affine', { name: 'idle', version: '1' });
    await stack.push('affine', { name: 'idle', version: '2' });
    expect((await remove('idle/versions/2')).status).toBe(204);
    expect(await versionOf('idle')).toBe('1');
    expect((await remove('idle/versions/2')).status).toBe(404);
    expect((await remove('idle/versions/1?force=yes')).status).toBe(400);
  });

  it('is refused for the default version; after a forced removal the latest is the default', async () => {
    await stack.push('affine', { name: 'pinned', version: '1' });
    await stack.push('affine', { name: 'pinned', version: '2' });
    await patch('pinned', { default_version: '1' });
    expect(await refusal('pinned/versions/1')).toMatch(/default version.*force=true/);
    expect((await remove('pinned/versions/1?force=true')).status).toBe(204);
    expect(await (await stack.fetch('/v1/models/pinned')).json()).toMatchObject({
      default_version: 'latest',
      serving: '2',
      versions: [{ version: '2' }],
    });
  });

  it('is refused after a request; after a forced removal the other version answers at once', async () => {
    await stack.push('affine', { name: 'busy', version: '1' });
    await stack.push('row-mixing', { name: 'busy', version: '2' });
    expect(await versionOf('busy')).toBe('2');
    await eventually(async () => {
      expect(await refusal('busy/versions/2')).toMatch(/had a request \d+ s ago/);
    });
    expect((await remove('busy/versions/2?force=true')).status).toBe(204);
    expect(await versionOf('busy')).toBe('1');
  });

  it('is refused while jobs wait or run; after a forced removal waiting jobs fail as model_not_found', async () => {
    await stack.push('slow', { name: 'working', version: '1' });
    const job = async (steps: number): Promise<string> => {
      const inputs = [{ name: 'steps', datatype: 'INT64', shape: [1], data: [steps] }];
      const response = await stack.fetch('/v1/jobs', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'working', inputs }),
      });
      return ((await response.json()) as { id: string }).id;
    };
    const show = async (id: string): Promise<unknown> => (await stack.fetch(`/v1/jobs/${id}`)).json();
    // More jobs than the worker takes at once (8 of the batch lane), so that some wait in the queue.
    const ids = await Promise.all(Array.from({ length: 16 }, () => job(5_000)));
    expect(await refusal('working/versions/1')).toMatch(/1[0-6] of its jobs wait or run/);
    expect((await remove('working/versions/1?force=true')).status).toBe(204);
    const ended: unknown[] = [];
    for (const id of ids) {
      await expect
        .poll(() => show(id), { timeout: 60_000 })
        .toMatchObject({ status: expect.stringMatching(/succeeded|failed/) });
      ended.push(await show(id));
    }
    const failed = ended.filter((shown) => (shown as { status: string }).status === 'failed');
    expect(failed.length).toBeGreaterThanOrEqual(8);
    for (const shown of failed) expect(shown).toMatchObject({ error: { code: 'model_not_found' } });
    // The same number can be pushed again, and is independent of the removed version.
    await stack.push('slow', { name: 'working', version: '1' });
    expect((await remove('working/versions/1')).status).toBe(204);
  });
});
