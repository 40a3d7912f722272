import type { SourceText } from '../archive/torchscript-archive.ts';
import type { ClassDef, FunctionDef, SourceFile } from './ast.ts';
import { parseSource } from './parser.ts';

export class Program {
  readonly #sources: ReadonlyMap<string, SourceText>;
  readonly #files = new Map<string, SourceFile | undefined>();
  readonly #classes = new Map<string, ClassDef | undefined>();
  constructor(sources: ReadonlyMap<string, SourceText>) { this.#sources = sources; }
  findClass(q: string): ClassDef | undefined {
    if (!this.#classes.has(q)) { const { file, name } = this.#split(q); this.#classes.set(q, file?.classes.find((c) => c.name === name)); }
    return this.#classes.get(q);
  }
  findFunction(q: string): FunctionDef | undefined { const { file, name } = this.#split(q); return file?.functions.find((f) => f.name === name); }
  #split(q: string): { file: SourceFile | undefined; name: string } {
    const parts = q.split('.'); const name = parts.pop() ?? ''; const path = `${parts.join('/')}.py`;
    if (!this.#files.has(path)) { const s = this.#sources.get(path); this.#files.set(path, s === undefined ? undefined : parseSource(s)); }
    return { file: this.#files.get(path), name };
  }
}
