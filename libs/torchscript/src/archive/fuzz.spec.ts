import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';

import { examine } from '../../fuzz/examine.ts';
import { makeSeed, mutant } from '../../fuzz/mutate.ts';
import { Random } from '../../fuzz/random.ts';
import { SEED_FIXTURES } from '../../fuzz/seed-fixtures.ts';

/** `fuzz/fuzz.ts` runs any number of mutants. */
const MUTANTS = 1500;

it('compiles or refuses every mutant of the fixtures', async () => {
  const seeds = await Promise.all(
    SEED_FIXTURES.map(async (name) =>
      makeSeed(name, await readFile(new URL(`../../fixtures/archive/${name}`, import.meta.url))),
    ),
  );
  const verdicts = { compiled: 0, refused: 0 };
  for (let n = 0; n < MUTANTS; n++) {
    const bytes = mutant(seeds, new Random(n));
    const verdict = await examine(bytes).catch((error: unknown) => {
      throw new Error(`mutant ${n}`, { cause: error });
    });
    verdicts[verdict]++;
  }
  // If all mutants were refused at once, this would test nothing.
  expect(verdicts.compiled).toBeGreaterThan(MUTANTS / 20);
  expect(verdicts.refused).toBeGreaterThan(MUTANTS / 10);
});
