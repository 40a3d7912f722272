import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '@sconce/testing';
import { BUNDLE_PATCHES, ES_MODULES, UNUSED_BY_BULLMQ, makeDateFormatLazy } from './bundle-patches.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const inRoot = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

const versions = BUNDLE_PATCHES.flatMap(({ plugin, versions }) =>
  Object.entries(versions).map(([name, version]) => [plugin.name, name, version] as const),
);

it.each(versions)('%s was checked against the installed version of %s', (_patch, name, version) => {
  const { version: installed } = JSON.parse(inRoot(`node_modules/${name}/package.json`)) as { version: string };
  expect(installed, 'check the patch against the new version, then change the version in bundle-patches.ts').toBe(
    version,
  );
});

function pluginOf(name: string): Plugin {
  const patch = BUNDLE_PATCHES.find(({ plugin }) => plugin.name === name);
  if (patch === undefined) throw new Error(`there is no patch ${name}`);
  return patch.plugin;
}

async function bundleOf(source: string, patch: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: ROOT, loader: 'ts' },
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    plugins: [pluginOf(patch)],
    logLevel: 'silent',
  });
  return outputFiles[0]?.text ?? '';
}

describe('the patches', () => {
  it('load built-in modules with require', async () => {
    const bundled = await bundleOf(`import { createServer } from 'node:http'; createServer();`, 'required-builtins');
    expect(bundled).toMatch(/require\("node:http"\)/);
    expect(bundled).not.toMatch(/^import /m);
  });

  it.each(['console-logger', 'logger'])('make the date format of Nest’s %s lazy, and nothing else', (name) => {
    const path = `node_modules/@nestjs/common/services/${name}.service.js`;
    const source = inRoot(path);
    expect(source.match(/new Intl\.DateTimeFormat/g)).toHaveLength(1);
    // The only use of the format is a call of `format`.
    expect([...source.matchAll(/dateTimeFormatter(\.\w+)?/g)].map(([use]) => use)).toEqual([
      'dateTimeFormatter',
      'dateTimeFormatter.format',
    ]);
    expect(makeDateFormatLazy(source, path)).toMatch(
      /const dateTimeFormatter = \{ format: \(date\) => new Intl\.DateTimeFormat\(undefined, \{[^}]*\}\)\.format\(date\) \};/,
    );
    expect(() => makeDateFormatLazy('const formatter = 1;', path)).toThrow(`${path} does not create its date format`);
  });

  it('leave out only modules that BullMQ imports in one place each', () => {
    const folder = join(ROOT, 'node_modules/bullmq/dist/esm');
    const importers = globSync('**/*.js', { cwd: folder })
      .filter((path) => !path.startsWith('postgres/'))
      .filter((path) =>
        [...readFileSync(join(folder, path), 'utf8').matchAll(/ from '([^']+)'/g)].some(
          ([, imported = '']) => UNUSED_BY_BULLMQ.test(imported) || /\/postgres(\/|$)/.test(imported),
        ),
      );
    expect(importers.sort()).toEqual(['classes/job-scheduler.js', 'index.js']);
  });

  it('bundle BullMQ without the parts that nothing uses', async () => {
    const bundled = await bundleOf(`import { Queue } from 'bullmq'; console.log(Queue);`, 'without-unused');
    expect(bundled).not.toMatch(/node_modules\/(cron-parser|bullmq\/dist\/esm\/postgres)\//);
  });

  it('bundle msgpackr without the search for its native part', async () => {
    const use = `import { unpack, pack } from 'msgpackr'; console.log(unpack(pack({ text: 'long enough to be a string of its own' })).text);`;
    const bundled = await bundleOf(use, 'without-unused');
    expect(bundled).not.toContain('node-gyp-build');
    const file = join(temporaryFolder('msgpackr'), 'bundle.mjs');
    writeFileSync(file, bundled);
    expect(execFileSync(process.execPath, [file], { encoding: 'utf8' })).toBe(
      'long enough to be a string of its own\n',
    );
  });

  it('find the ES modules where the packages have them', () => {
    expect(Object.values(ES_MODULES).filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });
});
