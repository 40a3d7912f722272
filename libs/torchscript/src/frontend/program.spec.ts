import { describe, expect, it } from 'vitest';

import type { SourceText } from '../archive/torchscript-archive.ts';
import { Program } from './program.ts';

/** A program that counts how often each file's text is read. */
function programOf(files: Readonly<Record<string, string>>): { program: Program; reads: Record<string, number> } {
  const reads: Record<string, number> = {};
  const sources = Object.entries(files).map(([path, text]): [string, SourceText] => [
    path,
    {
      path,
      get text() {
        reads[path] = (reads[path] ?? 0) + 1;
        return text;
      },
      originAt: () => undefined,
    },
  ]);
  return { program: new Program(new Map(sources)), reads };
}

const FILES = {
  '__torch__.py': 'class Net(Module):\n  a : int\ndef f(x):\n  return x\n',
  '__torch__/a/b.py': 'class Foo:\n  a : int\nclass Foo:\n  b : int\n',
  '__torch__/broken.py': 'class\n',
};

describe('Program', () => {
  it('finds classes and functions by qualified name', () => {
    const { program } = programOf(FILES);
    expect(program.findClass('__torch__.Net')?.name).toBe('Net');
    expect(program.findFunction('__torch__.f')?.name).toBe('f');
    expect(program.findClass('__torch__.a.b.Foo')?.attributes[0]?.name).toBe('b');
  });

  it.each(['__torch__.Nothing', '__torch__.a.Foo', '__torch__.f', 'Net', '', '__torch__.'])(
    'finds no class %j',
    (name) => {
      expect(programOf(FILES).program.findClass(name)).toBeUndefined();
    },
  );

  it.each(['__torch__.Net', '__torch__.a.b.Foo', 'f'])('finds no function %j', (name) => {
    expect(programOf(FILES).program.findFunction(name)).toBeUndefined();
  });

  it('parses a file once, at the first request for one of its names', () => {
    const { program, reads } = programOf(FILES);
    program.findClass('__torch__.Net');
    const once = reads['__torch__.py'];
    expect(once).toBeGreaterThan(0);
    program.findClass('__torch__.Net');
    program.findFunction('__torch__.f');
    expect(reads).toEqual({ '__torch__.py': once });
    expect(() => program.findClass('__torch__.broken.A')).toThrow('code/__torch__/broken.py:1:5: expected a name');
  });
});
