import type { SourceText } from '../archive/torchscript-archive.ts';
import type { ClassDef, FunctionDef, SourceFile } from './ast.ts';
import { parseSource } from './parser.ts';

/** The classes and functions of one file, by name. */
interface Definitions {
  readonly classes: ReadonlyMap<string, ClassDef>;
  readonly functions: ReadonlyMap<string, FunctionDef>;
}

/**
 * The serialised code of an archive, by qualified name: `__torch__.a.b.Foo` is `Foo` in `__torch__/a/b.py`, and `__torch__.Foo` is
 * `Foo` in `__torch__.py`. Each file is parsed once, at the first request for one of its names.
 */
export class Program {
  readonly #sources: ReadonlyMap<string, SourceText>;
  readonly #files = new Map<string, Definitions | undefined>();

  constructor(sources: ReadonlyMap<string, SourceText>) {
    this.#sources = sources;
  }

  /** The class of a qualified name; undefined if there is none. @throws SconceError `model_invalid` if its file cannot be parsed. */
  findClass(qualifiedName: string): ClassDef | undefined {
    const { file, name } = this.#locate(qualifiedName);
    return file?.classes.get(name);
  }

  /** The function of a qualified name; undefined if there is none. @throws SconceError `model_invalid` if its file cannot be parsed. */
  findFunction(qualifiedName: string): FunctionDef | undefined {
    const { file, name } = this.#locate(qualifiedName);
    return file?.functions.get(name);
  }

  #locate(qualifiedName: string): { readonly file: Definitions | undefined; readonly name: string } {
    const dot = qualifiedName.lastIndexOf('.');
    const path = `${qualifiedName.slice(0, Math.max(0, dot)).replaceAll('.', '/')}.py`;
    if (!this.#files.has(path)) {
      const source = this.#sources.get(path);
      this.#files.set(path, source === undefined ? undefined : define(parseSource(source)));
    }
    return { file: this.#files.get(path), name: qualifiedName.slice(dot + 1) };
  }
}

/** As in Python, the last definition of a name counts. */
function define({ classes, functions }: SourceFile): Definitions {
  return {
    classes: new Map(classes.map((definition) => [definition.name, definition])),
    functions: new Map(functions.map((definition) => [definition.name, definition])),
  };
}
