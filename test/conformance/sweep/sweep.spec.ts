import { describe, expect, it } from 'vitest';
import { mutatedCalls } from './mutations.ts';
import { outcomeOf } from './outcome.ts';
import { runSweep, sweptArchives } from './run-sweep.ts';

/** Archives whose kernels once ended the process, and every 60th of the others. */
const GUARDED =
  /^(edges\/(lstm|gru|rnn)_no_rows|edges\/order_no_rows|sizes\/layers|normalization\/instance_norm|attention\/multihead_.*)$/;
const STEP = 60;

describe('the sweep of edges', () => {
  it('ends no process by sizes 0, 1 and many or by extreme values', { timeout: 60_000 }, async () => {
    const archives = sweptArchives().filter(([family, name], i) => i % STEP === 7 || GUARDED.test(`${family}/${name}`));
    const results = await runSweep(archives);
    expect(results.length).toBeGreaterThan(200);
    expect(results.filter(({ outcome }) => outcome === 'died' || outcome === 'hung')).toEqual([]);
  });

  it('makes calls with every size and extreme value', () => {
    const tensor = { name: 'x', datatype: 'FP32', shape: [2, 3], data: new Uint8Array(24) } as const;
    const calls = mutatedCalls([tensor]);
    expect(calls.map(({ label }) => label)).toEqual(
      expect.arrayContaining(['size 3 is 0', 'size 2 is 1', 'axis 1 of input 0 is 7', 'input 0 is NaN']),
    );
    for (const { inputs } of calls) {
      const [input] = inputs;
      expect(input?.data.byteLength).toBe(4 * (input?.shape.reduce((a, b) => a * b, 1) ?? 0));
    }
  });

  it('judges an answer by that of PyTorch', () => {
    const tensor = {
      name: 'y',
      datatype: 'FP32',
      shape: [1],
      data: new Uint8Array(new Float32Array([1]).buffer),
    } as const;
    const other = { ...tensor, data: new Uint8Array(new Float32Array([2]).buffer) };
    const [good, bad, raised] = [{ outputs: [tensor] }, { outputs: [other] }, { raises: 'no rows' }];
    expect(outcomeOf(good, good).outcome).toBe('agrees');
    expect(outcomeOf(bad, good).outcome).toBe('differs');
    expect(outcomeOf(raised, good).outcome).toBe('fails');
    expect(outcomeOf(good, raised).outcome).toBe('accepts');
    expect(outcomeOf(raised, raised).outcome).toBe('refused');
  });
});
