import nx from '@nx/eslint-plugin';
import type { ESLint, Linter } from 'eslint';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** The layers that a layer may import: only lower ones, and never `*`. An empty list means none. */
const LAYERS = [
  ['layer:l0', []],
  ['layer:l1', ['layer:l0']],
  ['layer:l2', ['layer:l0', 'layer:l1', 'layer:testing']],
  ['layer:l3', ['layer:l0', 'layer:l1', 'layer:l2', 'layer:testing']],
  ['layer:l4', ['layer:l0', 'layer:l1', 'layer:l2', 'layer:l3', 'layer:testing']],
  ['layer:app', ['layer:l0', 'layer:l1', 'layer:l2', 'layer:l3', 'layer:l4', 'layer:testing']],
  ['layer:testing', ['layer:l0', 'layer:l1']],
  // The root project: tools and whole-system tests.
  ['layer:workspace', ['layer:l0', 'layer:l1', 'layer:l2', 'layer:l3', 'layer:l4', 'layer:testing']],
] as const;

/** Packages that only one project imports. Other projects use that project's interface. */
const OWNED: readonly { readonly packages: readonly string[]; readonly owner: string }[] = [
  { packages: ['bullmq', 'ioredis'], owner: 'libs/queue' },
  { packages: ['onnxruntime-node', 'onnxruntime-common', 'piscina'], owner: 'libs/runtime' },
  { packages: ['pino', '@opentelemetry/*'], owner: 'libs/telemetry' },
  { packages: ['@nestjs/*', 'fastify', '@fastify/*'], owner: 'apps' },
  { packages: ['@aws-sdk/*'], owner: 'libs/storage' },
];

const SPECS = ['**/*.spec.ts', '**/*.conformance.ts', 'test/**/*.ts'];

function restrictedImports(place: string): Linter.RuleEntry {
  const patterns = OWNED.filter(({ owner }) => !place.startsWith(owner)).map(({ packages, owner }) => ({
    group: packages.flatMap((name) => [name, `${name}/**`]),
    message: `Only ${owner} imports this package: use its interface.`,
  }));
  patterns.push({ group: ['@sconce/testing'], message: 'Only specs import this package.' });
  return ['error', { patterns }];
}

const PLACES = ['libs/queue', 'libs/runtime', 'libs/telemetry', 'libs/storage', 'apps'];

export default defineConfig(
  { ignores: ['**/*.generated.ts', '**/dist/**', '**/node_modules/**', '.nx/**', '.sconce/**', 'bench/peers/**'] },
  ...tseslint.configs.strict,
  ...tseslint.configs.stylistic,
  {
    files: ['**/*.ts'],
    // The plugin's types still describe its configs of the old format.
    plugins: { '@nx': nx as unknown as ESLint.Plugin },
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        {
          enforceBuildableLibDependency: false,
          banTransitiveDependencies: true,
          depConstraints: LAYERS.map(([sourceTag, onlyDependOnLibsWithTags]) => ({
            sourceTag,
            onlyDependOnLibsWithTags: [...onlyDependOnLibsWithTags],
          })),
        },
      ],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      // Modules and controllers of Nest must be classes.
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      '@typescript-eslint/no-invalid-void-type': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'no-console': 'error',
      eqeqeq: 'error',
    },
  },
  {
    files: ['**/*.ts'],
    rules: { '@typescript-eslint/no-restricted-imports': restrictedImports('') },
  },
  ...PLACES.map((place) => ({
    files: [`${place}/**/*.ts`],
    rules: { '@typescript-eslint/no-restricted-imports': restrictedImports(place) },
  })),
  // The @opentelemetry/api facade is what instrumented code imports; only the SDK behind it belongs to telemetry.
  {
    files: SPECS,
    rules: {
      '@typescript-eslint/no-restricted-imports': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/no-dynamic-delete': 'off',
    },
  },
  // Only an app's config reads the environment. Other code gets its settings as arguments.
  {
    files: ['{apps,libs}/**/*.ts'],
    ignores: [
      'apps/*/src/config.ts',
      'apps/api/src/serve/config.ts',
      'libs/testing/**',
      'libs/runtime/src/runtime-telemetry.ts',
      ...SPECS,
    ],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: "MemberExpression[object.name='process'][property.name='env']",
          message: 'Only the config.ts of a program reads the environment.',
        },
      ],
    },
  },
  { files: ['tools/**/*.ts', 'bench/**/*.ts'], rules: { 'no-console': 'off' } },
);
