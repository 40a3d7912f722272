import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '@sconce/testing';

// Each library is packed as npm publishes it, and all are installed into an empty project that has nothing of this workspace.

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const LIBRARIES = readdirSync(join(ROOT, 'libs'));
const TIMEOUT_MS = 240_000;

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

interface Tarball {
  readonly name: string;
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

const manifestOf = (library: string): Manifest =>
  JSON.parse(readFileSync(join(ROOT, 'libs', library, 'package.json'), 'utf8')) as Manifest;

/** Helpers for specs of this repository. They run inside Vitest alone, which refuses to be imported elsewhere. */
const SPEC_HELPERS = 'testing';

/** Every module that a user can import: `@sconce/queue`, `@sconce/process/memory`, … */
const MODULES = LIBRARIES.filter((library) => library !== SPEC_HELPERS).flatMap((library) => {
  const { name, exports } = manifestOf(library);
  return Object.keys(exports).map((path) => `${name}${path.slice(1)}`);
});

let project: string;
let tarballs: ReadonlyMap<string, Tarball>;

beforeAll(async () => {
  project = temporaryFolder('packages');
  tarballs = await pack(project);
  writeProject(project, tarballs);
  await npm(project, 'ci', '--ignore-scripts', '--prefer-offline');
}, TIMEOUT_MS);

describe.each(LIBRARIES)('the package of libs/%s', (library) => {
  it('has what was built, the licence, and neither sources nor specs', () => {
    const paths = tarballs.get(manifestOf(library).name)?.files.map(({ path }) => path) ?? [];
    expect(paths).toEqual(
      expect.arrayContaining(['package.json', 'LICENSE', 'NOTICE', 'dist/index.js', 'dist/index.d.ts']),
    );
    const allowed = /^(dist\/.*\.(js|js\.map|d\.ts)|package\.json|README\.md|LICENSE|NOTICE|fixtures\/[a-z-]+\.onnx)$/;
    expect(paths.filter((path) => !allowed.test(path) || /\.spec\./.test(path))).toEqual([]);
  });
});

it('every module can be imported by plain Node', { timeout: TIMEOUT_MS }, async () => {
  const program = MODULES.map(
    (name) => `console.log(${JSON.stringify(name)}, Object.keys(await import(${JSON.stringify(name)})).length);`,
  );
  writeFileSync(join(project, 'index.js'), program.join('\n'));
  const { stdout, stderr } = await run(process.execPath, ['index.js'], project);
  expect(stderr).toBe('');
  expect(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[0]),
  ).toEqual(MODULES);
  expect(stdout).not.toMatch(/ 0$/m);
});

it('the types of every module resolve', { timeout: TIMEOUT_MS }, async () => {
  writeFileSync(
    join(project, 'index.ts'),
    MODULES.map((name, index) => `export * as m${index} from ${JSON.stringify(name)};`).join('\n'),
  );
  const options = {
    target: 'es2024',
    lib: ['es2024', 'esnext.float16', 'esnext.disposable'],
    module: 'nodenext',
    strict: true,
    noEmit: true,
    typeRoots: [join(ROOT, 'node_modules/@types')],
    types: ['node'],
  };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: ['index.ts'] }));
  const tsc = join(ROOT, 'node_modules/typescript7/bin/tsc');
  // Declarations of other packages may be wrong. Those of this repository may not.
  const { stdout } = await run(process.execPath, [tsc, '-p', '.', '--pretty', 'false'], project).catch(
    (error: unknown) => error as { stdout: string },
  );
  expect(stdout.split('\n').filter((line) => /^(error|index\.ts|node_modules\/@sconce\/)/.test(line))).toEqual([]);
});

/** Packs all libraries into a folder; the tarballs by the package's name. */
async function pack(folder: string): Promise<ReadonlyMap<string, Tarball>> {
  const workspaces = LIBRARIES.map((library) => `--workspace=libs/${library}`);
  const { stdout } = await npm(ROOT, 'pack', ...workspaces, '--json', '--pack-destination', folder);
  const packed = JSON.parse(stdout.slice(stdout.search(/^[[{]/m))) as readonly Tarball[] | Record<string, Tarball>;
  return new Map(Object.values(packed).map((tarball) => [tarball.name, tarball]));
}

/**
 * Writes package.json and a lock of the packed libraries with the versions that this workspace has locked. With a lock, npm needs no
 * metadata of the registry, so the packages can come from npm's cache.
 */
function writeProject(folder: string, packed: ReadonlyMap<string, Tarball>): void {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; link?: boolean }>;
  };
  const others = Object.entries(lock.packages)
    .filter(([, { dev, link }]) => dev !== true && link !== true)
    // A version that only one library has lies in the library's own folder.
    .map(
      ([path, entry]) =>
        [path.replace(/^libs\/([^/]+)\/node_modules\//, 'node_modules/@sconce/$1/node_modules/'), entry] as const,
    )
    .filter(([path]) => path.startsWith('node_modules/'));
  const dependencies = Object.fromEntries([...packed.values()].map(({ name, filename }) => [name, `file:${filename}`]));
  const own = LIBRARIES.map((library) => {
    const { name, version, dependencies: needed } = manifestOf(library);
    const filename = packed.get(name)?.filename ?? '';
    const integrity = `sha512-${createHash('sha512')
      .update(readFileSync(join(folder, filename)))
      .digest('base64')}`;
    return [
      `node_modules/${name}`,
      { version, resolved: `file:${filename}`, integrity, dependencies: needed },
    ] as const;
  });
  const root = { name: 'consumer', version: '1.0.0', type: 'module', private: true, dependencies };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify(root));
  const packages = { '': root, ...Object.fromEntries([...own, ...others]) };
  writeFileSync(
    join(folder, 'package-lock.json'),
    JSON.stringify({ name: root.name, version: root.version, lockfileVersion: 3, requires: true, packages }),
  );
}

function npm(cwd: string, ...args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  return run('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], cwd);
}

function run(command: string, args: readonly string[], cwd: string): Promise<{ stdout: string; stderr: string }> {
  // Without the variables that an outer npm sets: they name this workspace.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_(?!config_(cache|registry))/i.test(name)),
  );
  return promisify(execFile)(command, [...args], { cwd, env, maxBuffer: 64 * 1024 ** 2, timeout: TIMEOUT_MS });
}
