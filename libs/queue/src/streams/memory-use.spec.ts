import * as fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { MemoryUse } from './memory-use.ts';

describe('MemoryUse', () => {
  it('frees once, when the last user ends, and never after it was told to keep', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('begin', 'end', 'keep')), (steps) => {
        const free = vi.fn<() => void>();
        const use = new MemoryUse(free);
        let users = 1;
        let isKept = false;
        for (const step of steps) {
          // A user can only end once.
          if (users === 0) break;
          if (step === 'begin') users += 1;
          else if (step === 'end') users -= 1;
          else isKept = true;
          use[step]();
          expect(free).toHaveBeenCalledTimes(users === 0 && !isKept ? 1 : 0);
        }
      }),
    );
  });

  it('refuses a user that comes after the memory was freed', () => {
    const use = new MemoryUse(() => undefined);
    use.end();
    expect(() => use.begin()).toThrow('has been freed');
  });

  it('admits a user that comes after all others have ended, if the memory is kept', () => {
    const free = vi.fn<() => void>();
    const use = new MemoryUse(free);
    use.keep();
    use.end();
    use.begin();
    use.end();
    expect(free).not.toHaveBeenCalled();
  });
});
