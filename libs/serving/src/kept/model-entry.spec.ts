import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '@sconce/testing';
import { findModelFiles } from './model-entry.ts';

/** A folder with empty files. */
function folderWith(...files: readonly string[]): string {
  const root = temporaryFolder('models');
  for (const file of files) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), '');
  }
  return root;
}

/** What is found, as `name/version file [config]`. */
function found(root: string, ...args: readonly string[]): string[] {
  return findModelFiles(args.map((arg) => arg.replace('@', root))).map(({ name, version, path, configPath }) =>
    [
      `${name}/${version}`,
      relative(root, path),
      ...(configPath === undefined ? [] : [relative(root, configPath)]),
    ].join(' '),
  );
}

describe('findModelFiles', () => {
  it.each<[what: string, files: readonly string[], args: readonly string[], entries: readonly string[]]>([
    ['a file by its name', ['digits.pt'], ['@/digits.pt'], ['digits/1 digits.pt']],
    ['a file with another name', ['model.pt'], ['digits=@/model.pt'], ['digits/1 model.pt']],
    ['a file whose path has an equals sign', ['a=b/x.onnx'], ['@/a=b/x.onnx'], ['x/1 a=b/x.onnx']],
    ['a file with any ending', ['net.bin'], ['@/net.bin'], ['net/1 net.bin']],
    ['the config beside a file', ['a.pt', 'config.json'], ['@/a.pt'], ['a/1 a.pt config.json']],
    [
      'the config that has the name of the file first',
      ['a.pt', 'a.config.json', 'b.pt', 'config.json'],
      ['@/a.pt', '@/b.pt'],
      ['a/1 a.pt a.config.json', 'b/1 b.pt config.json'],
    ],
    [
      'a folder that is a model',
      ['net/model.onnx', 'net/config.json'],
      ['@/net'],
      ['net/1 net/model.onnx net/config.json'],
    ],
    [
      'a folder with versions, lowest first, and their configs',
      ['net/10/model.pt', 'net/2/model.pt', 'net/2/config.json', 'net/config.json', 'net/3/readme.md'],
      ['@/net'],
      ['net/2 net/2/model.pt net/2/config.json', 'net/10 net/10/model.pt net/config.json'],
    ],
    [
      'a folder of models',
      [
        'all/b.onnx',
        'all/a/model.pt',
        'all/c/1/model.onnx',
        'all/readme.md',
        'all/.sconce-serve/x.onnx',
        'all/d/x.txt',
      ],
      ['@/all'],
      ['a/1 all/a/model.pt', 'b/1 all/b.onnx', 'c/1 all/c/1/model.onnx'],
    ],
  ])('finds %s', (_, files, args, entries) => {
    expect(found(folderWith(...files), ...args)).toEqual(entries);
  });

  it.each<[what: string, files: readonly string[], args: readonly string[], message: RegExp]>([
    ['nothing', [], [], /^No model file is given\. Give model files/],
    ['a path that does not exist', [], ['@/no.pt'], /no\.pt does not exist\. Give model files/],
    ['a folder without models', ['x/readme.md'], ['@/x'], /x has no models: no \.pt or \.onnx file/],
    [
      'a name for a folder of models',
      ['x/a.pt'],
      ['n=@/x'],
      /x has no model\.pt or model\.onnx, so it cannot be the model n/,
    ],
    [
      'two files of one name',
      ['a.pt', 'a.onnx'],
      ['@/a.pt', '@/a.onnx'],
      /a\.pt and .*a\.onnx would both be version 1 of model a\. Give one of them another name: NAME=.*a\.onnx/,
    ],
    [
      'two formats in the folder of one model',
      ['n/model.pt', 'n/model.onnx'],
      ['@/n'],
      /n has model\.pt and model\.onnx/,
    ],
    [
      'one config for two files',
      ['a.pt', 'b.pt', 'config.json'],
      ['@'],
      /config\.json lies beside .*a\.pt and .*b\.pt\. Name it after the file that it is for: b\.config\.json/,
    ],
    ['a name that is not allowed', ['a b.pt'], ['@/a b.pt'], /a b\.pt: the model name "a b" is not allowed.*NAME=/],
    ['a reserved name', ['stats.pt'], ['@/stats.pt'], /stats\.pt: the model name "stats" is reserved/],
  ])('refuses %s', (_, files, args, message) => {
    const root = folderWith(...files);
    expect(() => found(root, ...args)).toThrow(
      expect.objectContaining({ code: 'invalid_request', message: expect.stringMatching(message) }),
    );
  });
});
