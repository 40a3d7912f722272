/**
 * All changes that `tools/bundle.ts` makes to packages while it bundles them. They rest on the insides of exact versions:
 * `bundle-patches.spec.ts` fails when an installed version is another than the one here, so that an update checks each patch again.
 */
import { readFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'esbuild';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** One patch and the facts that it rests on. */
export interface BundlePatch {
  readonly plugin: Plugin;
  /** Packages that it changes, with the versions that it was checked against. */
  readonly versions: Readonly<Record<string, string>>;
  readonly change: string;
  readonly reason: string;
  /** What happens if the package changes and the patch stays. */
  readonly risk: string;
}

/** Node's own modules are required, not imported. */
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

const EAGER_DATE_FORMAT = /const dateTimeFormatter = (new Intl\.DateTimeFormat\([^)]*\));/;

/** The source of one of Nest's loggers, with a date format that is made at its first use. @throws Error if the source has no such format. */
export function makeDateFormatLazy(source: string, path: string): string {
  if (!EAGER_DATE_FORMAT.test(source)) {
    throw new Error(
      `${path} does not create its date format in the expected way: check whether Nest creates it lazily now, and adapt or remove the patch`,
    );
  }
  return source.replace(EAGER_DATE_FORMAT, 'const dateTimeFormatter = { format: (date) => $1.format(date) };');
}

const LAZY_DATE_FORMAT: Plugin = {
  name: 'lazy-date-format',
  setup({ onLoad }) {
    onLoad({ filter: /@nestjs\/common\/services\/(console-)?logger\.service\.js$/ }, async ({ path }) => ({
      contents: makeDateFormatLazy(await readFile(path, 'utf8'), path),
      loader: 'js',
    }));
  },
};

/** Modules that BullMQ imports and Sconce does not need. */
export const UNUSED_BY_BULLMQ = /^(\.\/postgres|cron-parser)$/;

const WITHOUT_UNUSED: Plugin = {
  name: 'without-unused',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: UNUSED_BY_BULLMQ }, ({ path, importer }) =>
      importer.includes('/node_modules/bullmq/') ? { path, namespace: 'unused' } : undefined,
    );
    // msgpackr catches the error and reads strings in JavaScript, as it did in the bundle before: there is no native file in it to find.
    onResolve({ filter: /^msgpackr-extract$/ }, ({ path }) => ({ path, namespace: 'absent' }));
    onLoad({ filter: /^/, namespace: 'unused' }, () => ({ contents: 'module.exports = {}' }));
    onLoad({ filter: /^/, namespace: 'absent' }, ({ path }) => ({
      contents: `throw new Error('${path} is not in the bundle')`,
      loader: 'js',
    }));
  },
};

/** The ES module of packages that give Node their CommonJS form. */
export const ES_MODULES: Readonly<Record<string, string>> = {
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

/** In the order in which esbuild applies them. */
export const BUNDLE_PATCHES: readonly BundlePatch[] = [
  {
    plugin: REQUIRED_BUILTINS,
    versions: { node: '24.21.0' },
    change: 'Node’s own modules are loaded with `require` instead of `import`.',
    reason:
      'To make an ES module of a built-in, Node reads all its exports. That loads what its lazy properties stand for, for example undici for `http.WebSocket`: 10 MB in the process and again in every thread (measured).',
    risk: 'None for correctness. A later Node may do without it.',
  },
  {
    plugin: LAZY_DATE_FORMAT,
    versions: { '@nestjs/common': '12.5.1' },
    change: 'Nest’s two loggers create their `Intl.DateTimeFormat` at the first use, not when they are loaded.',
    reason: 'The first date format loads ICU’s tables, 8 MB (measured). Sconce logs with pino.',
    risk: 'The build fails with the name of the file if Nest creates the format in another way.',
  },
  {
    plugin: WITHOUT_UNUSED,
    versions: { bullmq: '6.7.0', msgpackr: '2.1.3' },
    change:
      'BullMQ’s PostgreSQL backend and `cron-parser` (dates of repeated jobs) are empty modules. `msgpackr-extract`, the optional native part of msgpackr, is absent.',
    reason:
      'Sconce uses none of them. Together with zod’s locales the first two took 2 MB, and the vain search for the native file took 12 ms of each start (measured).',
    risk: 'A queue that needs one of them fails with a TypeError in the bundle, and the system tests run the bundle.',
  },
  {
    plugin: AS_ES_MODULES,
    versions: { rxjs: '7.8.2', '@opentelemetry/semantic-conventions': '1.45.0' },
    change: 'These packages are bundled from their ES modules instead of CommonJS, without side effects.',
    reason: 'esbuild can leave out unused parts of ES modules only.',
    risk: 'The build fails if a file has moved.',
  },
];
