import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

interface Manifest {
  readonly name: string;
  readonly description?: string;
  readonly license?: string;
  readonly repository?: { readonly url?: string; readonly directory?: string };
  readonly engines?: { readonly node?: string };
  readonly files?: readonly string[];
  readonly exports?: object;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly nx?: { readonly tags?: readonly string[]; readonly targets?: object };
}

const read = (path: string): Manifest => JSON.parse(readFileSync(`${ROOT}${path}`, 'utf8')) as Manifest;
const root = read('package.json');
const FOLDERS = ['apps', 'libs'].flatMap((group) => readdirSync(`${ROOT}${group}`).map((name) => `${group}/${name}`));

it('LICENSE is the Apache License 2.0 with its appendix', () => {
  const text = readFileSync(`${ROOT}LICENSE`, 'utf8');
  expect(text).toMatch(/^\s+Apache License\n\s+Version 2\.0, January 2004\n/);
  expect(text).toContain('END OF TERMS AND CONDITIONS');
  expect(text).toContain('APPENDIX: How to apply the Apache License to your work.');
  expect(text).toHaveLength(11_358);
  expect(root.license).toBe('Apache-2.0');
});

it('the Python package has the licence and the version of the others', () => {
  const folder = `${ROOT}clients/python`;
  expect(readFileSync(`${folder}/LICENSE`, 'utf8')).toBe(readFileSync(`${ROOT}LICENSE`, 'utf8'));
  const { version } = read('package.json') as { version?: string };
  expect(readFileSync(`${folder}/pyproject.toml`, 'utf8')).toContain(`\nversion = "${String(version)}"\n`);
  expect(readFileSync(`${folder}/src/sconce/__init__.py`, 'utf8')).toContain(`__version__ = "${String(version)}"`);
});

describe.each(FOLDERS)('%s/package.json', (folder) => {
  const manifest = read(`${folder}/package.json`);

  it('says what the package is and where it comes from', () => {
    expect(manifest.name).toBe(`@sconce/${folder.split('/')[1] ?? ''}`);
    expect(manifest.description).toMatch(/^\S.{10,100}[^.]$/);
    expect(manifest.license).toBe(root.license);
    expect(manifest.repository).toEqual({ type: 'git', url: root.repository?.url, directory: folder });
    expect(manifest.engines?.node).toMatch(/^>=\d/);
  });

  it('packs what was built, with the licence', () => {
    expect(manifest.files).toEqual(expect.arrayContaining(['dist', 'NOTICE']));
    expect(manifest.exports).toBeDefined();
    expect(manifest.scripts?.['prepack']).toBe('cp ../../LICENSE ../../NOTICE .');
  });

  it('can be built, linted, type-checked and tested by itself', () => {
    expect(Object.keys(manifest.nx?.targets ?? {})).toEqual(
      expect.arrayContaining(['build', 'lint', 'typecheck', 'test']),
    );
    expect(manifest.nx?.tags).toEqual([expect.stringMatching(/^layer:/)]);
    expect(JSON.parse(readFileSync(`${ROOT}${folder}/tsconfig.spec.json`, 'utf8'))).toMatchObject({
      extends: '../../tsconfig.spec.json',
    });
  });
});
