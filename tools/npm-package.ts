/**
 * `npm run package [-- FOLDER] [-- --own-system]` packs the product for npm: FOLDER (`dist`) gets `sconce-VERSION.tgz` with the command line, the API,
 * `sconce serve`, the worker and the demo's model. `--own-system` takes the native libraries of this machine's system only.
 *
 * The folders inside are those of a checkout. Packages that are not in the bundles are in the file too: the install script of ONNX Runtime's
 * package would download CUDA files, so a user without access to them could not install it.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { bundle } from './bundle.ts';
import { writeImagePackages } from './image-packages.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

const OLDEST_NODE = '22.15';
/** Systems whose native libraries are in the package. */
const SYSTEMS = ['linux/x64', 'linux/arm64', 'darwin/arm64'];

const BUNDLES = {
  cli: 'apps/cli/dist',
  api: 'apps/api/dist',
  serve: 'apps/api/dist/serve',
  worker: 'apps/worker/dist',
} as const;

interface Manifest {
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

const readManifest = async (path: string): Promise<Manifest> => JSON.parse(await readFile(path, 'utf8')) as Manifest;

/** Writes the package's folder. */
async function write(folder: string, systems: readonly string[]): Promise<void> {
  for (const [app, path] of Object.entries(BUNDLES)) {
    await bundle(app as keyof typeof BUNDLES, join(folder, path), `node${OLDEST_NODE}`);
  }
  for (const path of Object.values(BUNDLES)) await removeMaps(join(folder, path));
  for (const path of ['apps/cli/bin', 'examples/digits', 'LICENSE', 'NOTICE']) {
    await cp(join(ROOT, path), join(folder, path), { recursive: true });
  }
  await cp(join(ROOT, 'apps/cli/README.md'), join(folder, 'README.md'));
  const names = new Set([
    ...(await writeImagePackages('api', folder, systems)),
    ...(await writeImagePackages('worker', folder, systems)),
  ]);
  const packages: Record<string, string> = {};
  for (const name of [...names].toSorted()) {
    packages[name] = await withoutInstall(join(folder, 'node_modules', name), names);
  }
  const root = await readManifest(join(ROOT, 'package.json'));
  const manifest = {
    name: 'sconce',
    version: root.version,
    description: root['description'],
    keywords: ['inference', 'pytorch', 'torchscript', 'onnx', 'batch', 'model-serving'],
    license: root['license'],
    repository: root['repository'],
    type: 'module',
    bin: { sconce: 'apps/cli/bin/sconce.mjs' },
    exports: { './package.json': './package.json' },
    engines: { node: `>=${OLDEST_NODE}` },
    os: [...new Set(systems.map((system) => system.split('/')[0]))],
    files: ['apps', 'examples', 'NOTICE'],
    dependencies: packages,
    bundleDependencies: Object.keys(packages),
  };
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** Removes a package's install script and the dependencies that are not in `names`. Returns its version. */
async function withoutInstall(folder: string, names: ReadonlySet<string>): Promise<string> {
  const path = join(folder, 'package.json');
  const { scripts: _scripts, optionalDependencies: _optional, dependencies, ...manifest } = await readManifest(path);
  const kept = Object.entries(dependencies ?? {}).filter(([name]) => names.has(name));
  await writeFile(path, `${JSON.stringify({ ...manifest, dependencies: Object.fromEntries(kept) }, null, 2)}\n`);
  return manifest.version;
}

async function removeMaps(folder: string): Promise<void> {
  for (const name of await readdir(folder)) if (name.endsWith('.map')) await rm(join(folder, name));
}

/** Packs the product. Returns the path of the file. */
async function pack(target: string, systems: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sconce-package-'));
  try {
    await write(folder, systems);
    await mkdir(target, { recursive: true });
    const { stdout } = await promisify(execFile)('npm', ['pack', folder, '--json', '--pack-destination', target]);
    const [packed] = JSON.parse(stdout) as { readonly filename: string }[];
    return join(target, packed?.filename ?? '');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { 'own-system': { type: 'boolean', default: false } },
});
const systems = values['own-system'] ? [`${process.platform}/${process.arch}`] : SYSTEMS;
process.stdout.write(`${await pack(resolve(positionals[0] ?? join(ROOT, 'dist')), systems)}\n`);
