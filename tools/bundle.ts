/**
 * Builds an app: `node tools/bundle.ts api`. Its modules and all that they import become a few files in the app's `dist`. These start in
 * half the time and with less memory than the 2,000 files that they are made from. Packages with native code or files of their own are not
 * bundled. `bundle-patches.ts` lists the changes that are made to packages.
 */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile } from 'esbuild';
import { BUNDLE_PATCHES } from './bundle-patches.ts';
import { noticesOf } from './notices.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

interface App {
  /** A module finds its threads and child processes in its own folder, so all entries of an app are written to one folder. */
  readonly entries: Readonly<Record<string, string>>;
  /** Packages that are not bundled. */
  readonly packages: readonly string[];
}

export const APPS = {
  api: {
    entries: { main: 'apps/api/src/main.ts' },
    // Has the pages of /docs as files.
    packages: ['swagger-ui-dist'],
  },
  // The second program of the API: `sconce serve`.
  serve: {
    entries: {
      main: 'apps/api/src/serve/main.ts',
      'registration.child': 'libs/serving/src/registration/registration.child.ts',
      'inference.thread': 'libs/runtime/src/inference.thread.ts',
      'sacrificial.child': 'libs/runtime/src/sacrificial/sacrificial.child.ts',
    },
    packages: ['onnxruntime-node', 'piscina', 'swagger-ui-dist'],
  },
  worker: {
    entries: {
      main: 'apps/worker/src/main.ts',
      'dataset.thread': 'apps/worker/src/batches/dataset.thread.ts',
      'registration.child': 'libs/serving/src/registration/registration.child.ts',
      'inference.thread': 'libs/runtime/src/inference.thread.ts',
      'sacrificial.child': 'libs/runtime/src/sacrificial/sacrificial.child.ts',
    },
    // Native code; threads of its own.
    packages: ['onnxruntime-node', 'piscina'],
  },
  // A bundle in the npm package only.
  cli: {
    entries: {
      main: 'apps/cli/src/main.ts',
      'end-with-parent': 'apps/cli/src/stack/end-with-parent.ts',
      'inference.thread': 'libs/runtime/src/inference.thread.ts',
      'sacrificial.child': 'libs/runtime/src/sacrificial/sacrificial.child.ts',
    },
    packages: ['onnxruntime-node', 'piscina'],
  },
} as const satisfies Record<string, App>;

export type AppName = keyof typeof APPS;

/** Optional packages of Nest that are not installed. */
const ABSENT = [
  '@fastify/multipart',
  '@fastify/static',
  '@fastify/view',
  '@nestjs/microservices',
  '@nestjs/platform-express',
  '@nestjs/websockets',
  'class-transformer',
  'class-validator',
];

/** Names that CommonJS packages expect and ES modules lack. */
const BANNER = `import { createRequire as createRequireOfBundle } from 'node:module';
const require = createRequireOfBundle(import.meta.url);
const __filename = import.meta.filename;
const __dirname = import.meta.dirname;`;

/**
 * Empties a folder and writes an app's bundle into it. Returns the description of its content.
 * @param target the oldest Node that runs it.
 */
export async function bundle(name: AppName, folder: string, target = 'node24'): Promise<Metafile> {
  await rm(folder, { recursive: true, force: true });
  const { entries, packages } = APPS[name];
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: { ...entries },
    outdir: folder,
    bundle: true,
    splitting: true,
    chunkNames: '[name]-[hash]',
    platform: 'node',
    format: 'esm',
    target,
    conditions: ['@sconce/source', 'module'],
    mainFields: ['module', 'main'],
    external: [...packages, ...ABSENT].flatMap((external) => [external, `${external}/*`]),
    banner: { js: BANNER },
    // Identifiers keep their names, which logs and error messages contain. esbuild's `keepNames` would also keep the few that it renames to
    // avoid a clash, by a call for every closure that is made: a quarter of the API's time (measured).
    minifySyntax: true,
    minifyWhitespace: true,
    sourcemap: 'linked',
    sourcesContent: false,
    // The notices below contain them.
    legalComments: 'none',
    logLevel: 'warning',
    tsconfigRaw: { compilerOptions: { experimentalDecorators: true } },
    metafile: true,
    plugins: BUNDLE_PATCHES.map(({ plugin }) => plugin),
  });
  await writeFile(join(folder, 'THIRD-PARTY-NOTICES.txt'), await noticesOf(Object.keys(metafile.inputs), ROOT));
  return metafile;
}

if (import.meta.main) {
  const name = process.argv[2] as AppName;
  await bundle(name, join(ROOT, 'apps', name === 'serve' ? 'api/dist/serve' : `${name}/dist`));
}
