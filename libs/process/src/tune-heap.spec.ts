import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

const MODULE = new URL('./tune-heap.ts', import.meta.url).href;
/** All its objects survive, so V8 wants to allocate them in the old space. */
const SURVIVORS = `const kept = []; const make = (i) => ({ i, list: [i] }); for (let i = 0; i < 300_000; i++) kept.push(make(i));`;

/** How often V8 decided to allocate the objects of a place in the code in the old space. */
function decisions(prologue: string): number {
  const code = `${prologue}\n${SURVIVORS}`;
  const flags = ['--trace-pretenuring-statistics', '--max-semi-space-size=1', '--input-type=module'];
  const printed = execFileSync(process.execPath, [...flags, '--eval', code], { encoding: 'utf8' });
  return printed.split('=> tenure').length - 1;
}

describe('tuneHeap', () => {
  it('keeps new objects in the young generation, also those of places whose objects all survive', () => {
    expect(decisions('')).toBeGreaterThan(0);
    expect(decisions(`import { tuneHeap } from ${JSON.stringify(MODULE)}; tuneHeap(100);`)).toBe(0);
  });
});
