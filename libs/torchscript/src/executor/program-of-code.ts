import type { SourceText } from '../archive/torchscript-archive.ts';
import { Program } from '../frontend/program.ts';

/** A program of code given as text, by path below `code/`; for tests of what works on code alone. */
export function programOfCode(files: Readonly<Record<string, string>>): Program {
  const sources = Object.entries(files).map(([path, text]): [string, SourceText] => [
    path,
    { path, text, originAt: () => undefined },
  ]);
  return new Program(new Map(sources));
}
