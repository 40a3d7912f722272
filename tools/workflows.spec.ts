import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';

// The workflows run on other machines only. What they name in this repository must be here.

const ROOT = join(import.meta.dirname, '..');
const FOLDER = join(ROOT, '.github/workflows');
const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> };

interface Workflow {
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

interface Job {
  readonly needs?: string | readonly string[];
  readonly 'timeout-minutes'?: number;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly strategy?: { readonly matrix: Readonly<Record<string, readonly string[]>> };
  readonly steps: readonly {
    readonly uses?: string;
    readonly run?: string;
    readonly with?: Readonly<Record<string, unknown>>;
  }[];
}

const workflows = readdirSync(FOLDER).map((name): [string, string, Workflow] => {
  const text = readFileSync(join(FOLDER, name), 'utf8');
  return [name, text, parse(text) as Workflow];
});

it.each(workflows)('%s runs scripts that exist, and uses actions of a version', (_, text, workflow) => {
  for (const [, script = ''] of text.matchAll(/npm run ([\w:-]+)/g)) expect(scripts).toHaveProperty([script]);
  for (const [, path = ''] of text.matchAll(/(?:^|\s)(\.ci\/\w+|clients\/\w+|CHANGELOG\.md)/g))
    expect(existsSync(join(ROOT, path)), path).toBe(true);
  for (const { steps, strategy } of Object.values(workflow.jobs)) {
    for (const { uses, with: options } of steps) {
      if (uses !== undefined) expect(uses).toMatch(/^[\w-]+\/[\w-]+@(v\d+|release\/v\d+)$/);
      const file = options?.['file'];
      if (typeof file !== 'string') continue;
      for (const app of strategy?.matrix['app'] ?? ['']) {
        expect(existsSync(join(ROOT, file.replace('${{ matrix.app }}', app))), file).toBe(true);
      }
    }
  }
});

it.each(workflows)(
  'the jobs of %s end, need jobs that exist, and may write only where they have to',
  (_, __, workflow) => {
    expect(workflow.permissions).toEqual({ contents: 'read' });
    for (const [name, job] of Object.entries(workflow.jobs)) {
      expect(job['timeout-minutes'], name).toBeGreaterThan(0);
      for (const other of [job.needs ?? []].flat()) expect(Object.keys(workflow.jobs)).toContain(other);
      const writes = Object.values(job.permissions ?? {}).includes('write');
      const publishes = job.steps.some(({ run = '', uses = '' }) =>
        /publish|docker\/|gh release/.test(`${run} ${uses}`),
      );
      expect([name, writes]).toEqual([name, publishes]);
    }
  },
);

it('a release is tested before anything is published', () => {
  const [, , release] = workflows.find(([name]) => name === 'release.yml') ?? [];
  const needed = (name: string): readonly string[] =>
    [release?.jobs[name]?.needs ?? []].flat().flatMap((other) => [other, ...needed(other)]);
  for (const name of Object.keys(release?.jobs ?? {})) {
    if (name !== 'test') expect(needed(name)).toContain('test');
  }
});
