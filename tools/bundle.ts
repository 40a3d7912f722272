/**
 * Builds an app: `node tools/bundle.ts api`. Its modules and what they import become a few files in the app's `dist`, which start in half
 * the time and with less memory than the 2,000 files that they are made of. What is native or loads files of its own stays a package.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile, type Plugin } from 'esbuild';
import { noticesOf } from './notices.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

interface App {
  /** Threads and child processes are found beside the module that starts them, so all entries of an app lie in one folder. */
  readonly entries: Readonly<Record<string, string>>;
  /** Packages that stay packages. */
  readonly packages: readonly string[];
}

export const APPS = {
  api: {
    entries: { main: 'apps/api/src/main.ts' },
    // The pages of /docs.
    packages: ['swagger-ui-dist'],
  },
  worker: {
    entries: {
      main: 'apps/worker/src/main.ts',
      'dataset.thread': 'apps/worker/src/batches/dataset.thread.ts',
      'registration.child': 'apps/worker/src/registration/registration.child.ts',
      'inference.thread': 'libs/runtime/src/inference.thread.ts',
    },
    // Native code; threads of its own.
    packages: ['onnxruntime-node', 'piscina'],
  },
} as const satisfies Record<string, App>;

export type AppName = keyof typeof APPS;

/** What Nest asks for and does without. */
const ABSENT = [
  '@fastify/multipart',
  '@fastify/view',
  '@nestjs/microservices',
  '@nestjs/platform-express',
  '@nestjs/websockets',
  'class-transformer',
  'class-validator',
];

/** What CommonJS packages expect, in an ES module. */
const BANNER = `import { createRequire as createRequireOfBundle } from 'node:module';
const require = createRequireOfBundle(import.meta.url);
const __filename = import.meta.filename;
const __dirname = import.meta.dirname;`;

/**
 * Node's own modules are required, not imported. To make an ES module of one, Node reads all that it exports, and so loads what lies behind
 * its lazy properties: undici behind `http.WebSocket` (measured: 10 MB of each process, and as much in every thread).
 */
const REQUIRED_BUILTINS: Plugin = {
  name: 'required-builtins',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[a-z0-9_:/]+$/ }, ({ path, kind }) =>
      kind === 'import-statement' && isBuiltin(path)
        ? { path: path.replace(/^node:/, ''), namespace: 'builtin' }
        : undefined,
    );
    onLoad({ filter: /^/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = require('node:${path}')`,
      loader: 'js',
    }));
  },
};

/**
 * Nest's logger makes a date format when it is loaded, though nothing is logged through it. The first of them brings the tables of ICU into
 * memory (measured: 8 MB).
 */
const LAZY_DATE_FORMAT: Plugin = {
  name: 'lazy-date-format',
  setup({ onLoad }) {
    onLoad({ filter: /@nestjs\/common\/services\/(console-)?logger\.service\.js$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      const eager = /const dateTimeFormatter = (new Intl\.DateTimeFormat\([^)]*\));/;
      if (!eager.test(text))
        throw new Error(`${path} makes its date format in another way than known: look whether it is lazy by now`);
      return {
        contents: text.replace(eager, 'const dateTimeFormatter = { format: (date) => $1.format(date) };'),
        loader: 'js',
      };
    });
  },
};

/** Parts of BullMQ that nothing uses: its other backend, and the dates of repeated jobs. */
const WITHOUT_UNUSED: Plugin = {
  name: 'without-unused',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(\.\/postgres|cron-parser)$/ }, ({ path, importer }) =>
      importer.includes('/node_modules/bullmq/') ? { path, namespace: 'unused' } : undefined,
    );
    onLoad({ filter: /^/, namespace: 'unused' }, () => ({ contents: 'module.exports = {}' }));
  },
};

/** Packages that give Node their CommonJS form, from which nothing can be left out. */
const ES_MODULES: Readonly<Record<string, string>> = {
  rxjs: 'node_modules/rxjs/dist/esm/index.js',
  'rxjs/operators': 'node_modules/rxjs/dist/esm/operators/index.js',
  '@opentelemetry/semantic-conventions': 'node_modules/@opentelemetry/semantic-conventions/dist/index.mjs',
};

const AS_ES_MODULES: Plugin = {
  name: 'as-es-modules',
  setup({ onResolve }) {
    onResolve({ filter: /^(rxjs|@opentelemetry\/semantic-conventions)/ }, ({ path }) => {
      const file = ES_MODULES[path];
      return file === undefined ? undefined : { path: join(ROOT, file), sideEffects: false };
    });
  },
};

/** Writes an app's bundle into a folder, which is emptied before; answers what is in it. */
export async function bundle(name: AppName, folder: string): Promise<Metafile> {
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
    target: 'node24',
    conditions: ['@sconce/source', 'module'],
    mainFields: ['module', 'main'],
    external: [...packages, ...ABSENT].flatMap((external) => [external, `${external}/*`]),
    banner: { js: BANNER },
    // Names of classes and functions are in logs and error messages.
    keepNames: true,
    minifySyntax: true,
    minifyWhitespace: true,
    sourcemap: 'linked',
    sourcesContent: false,
    // They are in the notices.
    legalComments: 'none',
    logLevel: 'warning',
    tsconfigRaw: { compilerOptions: { experimentalDecorators: true } },
    metafile: true,
    plugins: [REQUIRED_BUILTINS, LAZY_DATE_FORMAT, WITHOUT_UNUSED, AS_ES_MODULES],
  });
  await writeFile(join(folder, 'THIRD-PARTY-NOTICES.txt'), await noticesOf(Object.keys(metafile.inputs), ROOT));
  return metafile;
}

if (import.meta.main) {
  const name = process.argv[2] as AppName;
  await bundle(name, join(ROOT, 'apps', name, 'dist'));
}
