/**
 * Feeds mutants of the fixture archives to the compiler.
 *
 *     node --conditions=@sconce/source libs/torchscript/fuzz/fuzz.ts --count 20000 --seed 1
 *
 * Mutant `n` of seed `s` is always the same. A mutant that neither compiles nor is refused, or takes longer than the limit, is
 * written to the current folder. The exit code is then 1.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';

import { examine } from './examine.ts';
import { makeSeed, mutant } from './mutate.ts';
import { Random } from './random.ts';
import { SEED_FIXTURES } from './seed-fixtures.ts';

const MAX_MS = 5000;

const { values } = parseArgs({
  options: { count: { type: 'string', default: '20000' }, seed: { type: 'string', default: '1' } },
});
const count = Number(values.count);
const seeds = await Promise.all(
  SEED_FIXTURES.map(async (name) =>
    makeSeed(name, await readFile(new URL(`../fixtures/archive/${name}`, import.meta.url))),
  ),
);

const verdicts = { compiled: 0, refused: 0 };
let worst = { ms: 0, mutant: 0 };
let bad = 0;
for (let n = 0; n < count; n++) {
  const bytes = mutant(seeds, new Random(Number(values.seed) * 0x9e3779b1 + n));
  const start = performance.now();
  let failure: unknown;
  try {
    verdicts[await examine(bytes)]++;
  } catch (error) {
    failure = error;
  }
  const ms = performance.now() - start;
  if (ms > worst.ms) worst = { ms, mutant: n };
  if (failure !== undefined || ms > MAX_MS) {
    bad++;
    const path = `mutant-${values.seed}-${n}.pt`;
    await writeFile(path, bytes);
    print(`${path}: ${ms.toFixed(0)} ms, ${failure instanceof Error ? failure.stack : 'too slow'}`);
  }
}
const peakMiB = process.resourceUsage().maxRSS / 1024;
print(
  `${count} mutants of seed ${values.seed}: ${verdicts.compiled} compiled, ${verdicts.refused} refused, ${bad} bad`,
);
print(`worst time ${worst.ms.toFixed(1)} ms (mutant ${worst.mutant}), peak memory ${peakMiB.toFixed(0)} MiB`);
process.exitCode = bad === 0 ? 0 : 1;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
