import type { SourceText } from '../archive/torchscript-archive.ts';
import { Program } from '../frontend/program.ts';

/** A program from source texts, by path below `code/`. For tests that need only code. */
export function programOfCode(files: Readonly<Record<string, string>>): Program {
  const sources = Object.entries(files).map(([path, text]): [string, SourceText] => [
    path,
    { path, text, originAt: () => undefined },
  ]);
  return new Program(new Map(sources));
}
