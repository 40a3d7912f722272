import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { encodeSafetensors } from '@sconce/tensor';
import { families, readCase } from '../cases.ts';
import { mutatedCalls } from './mutations.ts';
import { runSweep, sweptArchives, type ArchiveName } from './run-sweep.ts';
import { sweepPage } from './sweep-page.ts';

/**
 * `npm run sweep -- [--python PYTHON] [--only PATTERN] [--out FILE]`: every operator case × sizes 0, 1 and many on every axis × extreme
 * values, in processes that may die. With a Python that has PyTorch 2.13 and safetensors, answers are compared. Exit code 1 after a death.
 */
const { values } = parseArgs({
  options: { python: { type: 'string' }, only: { type: 'string' }, out: { type: 'string' } },
});
const archives = sweptArchives(new RegExp(values.only ?? '.'));
const folder = mkdtempSync(`${tmpdir()}/sconce-sweep-answers-`);
try {
  if (values.python !== undefined) askPyTorch(values.python, archives);
  const results = await runSweep(archives, values.python === undefined ? undefined : folder);
  const page = sweepPage(results);
  if (values.out === undefined) process.stdout.write(page);
  else writeFileSync(values.out, page);
  const deaths = results.filter(({ outcome }) => outcome === 'died' || outcome === 'hung');
  for (const { archive, label, detail } of deaths) process.stderr.write(`${archive}, ${label}: ${detail}\n`);
  process.exitCode = deaths.length > 0 ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true });
}

/** Writes the mutated calls and lets PyTorch answer them. */
function askPyTorch(python: string, asked: readonly ArchiveName[]): void {
  const rows = new Map(families().flatMap(({ family, rows: all }) => all.map((row) => [`${family}/${row.name}`, row])));
  const calls = asked.flatMap(([family, name]) => {
    const row = rows.get(`${family}/${name}`);
    const [first] = row?.calls ?? [];
    if (first === undefined || row?.random === true || row?.stateful === true) return [];
    const mutated = mutatedCalls(readCase(family, name)(0, 'in'));
    mkdirSync(`${folder}/${family}`, { recursive: true });
    const tensors = mutated.flatMap(({ inputs }, k) =>
      inputs.map((tensor, i) => ({ ...tensor, name: `${k}.in.${i}` })),
    );
    writeFileSync(`${folder}/${family}/${name}.in.safetensors`, encodeSafetensors(tensors));
    return [[`${family}/${name}`, first.args, mutated.length]];
  });
  writeFileSync(`${folder}/calls.json`, JSON.stringify(calls));
  const conformance = fileURLToPath(new URL('..', import.meta.url));
  execFileSync(python, ['-m', 'generate.sweep', `${conformance}cases`, folder], { cwd: conformance, stdio: 'inherit' });
}
