/**
 * Fails when files in `apps` and `libs` import each other in a circle: such files depend on the order in which they are loaded.
 * Imports of types do not count, because they are gone at run time. Neither do dynamic imports, which run later.
 */
import { glob } from 'node:fs/promises';
import { relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

/** The files that each file imports when it is loaded, by path. */
export type ImportGraph = ReadonlyMap<string, readonly string[]>;

/** Reads the value imports of all files that match `patterns`, and of the files that these import. Paths are relative to `folder`. */
export async function readImports(folder: string, patterns: readonly string[]): Promise<ImportGraph> {
  const entryPoints: string[] = [];
  for await (const path of glob(patterns, { cwd: folder })) {
    if (!path.endsWith('.spec.ts') && !path.includes('node_modules')) entryPoints.push(path);
  }
  const { metafile } = await build({
    absWorkingDir: folder,
    entryPoints,
    bundle: true,
    write: false,
    metafile: true,
    outdir: 'unused',
    platform: 'node',
    format: 'esm',
    packages: 'external',
    treeShaking: false,
    // The compiler keeps an import whose names are all types (`import { type T } from …`), so it counts here too.
    tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true, experimentalDecorators: true } },
    loader: { '.html': 'text', '.css': 'text' },
    logLevel: 'error',
  });
  return new Map(
    Object.entries(metafile.inputs).map(([path, { imports }]) => [
      path,
      imports.filter(({ external, kind }) => external !== true && kind === 'import-statement').map((to) => to.path),
    ]),
  );
}

/** One shortest circle for each group of files that import each other. The first file of a circle is repeated at its end. */
export function findCycles(graph: ImportGraph): string[][] {
  const cycles: string[][] = [];
  const seen = new Set<string>();
  for (const start of [...graph.keys()].sort()) {
    if (seen.has(start)) continue;
    const cycle = shortestCycle(graph, start);
    if (cycle === undefined) continue;
    cycle.forEach((path) => seen.add(path));
    cycles.push(cycle);
  }
  return cycles;
}

/** The shortest way along imports from a file back to itself. */
function shortestCycle(graph: ImportGraph, start: string): string[] | undefined {
  const importedBy = new Map<string, string>();
  const queue = [start];
  for (const path of queue) {
    for (const imported of graph.get(path) ?? []) {
      if (imported === start) {
        const cycle = [start];
        for (let at = path; at !== start; at = importedBy.get(at) ?? start) cycle.unshift(at);
        return [start, ...cycle];
      }
      if (importedBy.has(imported)) continue;
      importedBy.set(imported, path);
      queue.push(imported);
    }
  }
  return undefined;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const folder = fileURLToPath(new URL('..', import.meta.url));
  const graph = await readImports(folder, ['{apps,libs}/*/src/**/*.ts']);
  const cycles = findCycles(graph);
  for (const cycle of cycles) console.error(`These files import each other in a circle:\n  ${cycle.join('\n  → ')}`);
  if (cycles.length > 0) console.error('Move what they share into a file that imports none of them.');
  console.log(`${graph.size} files, ${cycles.length} circles of imports (${relative(process.cwd(), folder) || '.'})`);
  process.exitCode = cycles.length > 0 ? 1 : 0;
}
