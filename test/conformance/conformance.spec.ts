import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { decodeSafetensors, fromBfloat16Bits, viewOf, type Tensor } from '@sconce/tensor';
import { compileArchive } from '../support/compiled-archive.ts';
import { EXPECTED_FAILURES } from './expected-failures.ts';

const CASES = fileURLToPath(new URL('cases/', import.meta.url));

interface CaseEntry {
  readonly name: string;
  readonly how: 'trace' | 'script';
  readonly calls: readonly { readonly inputs: number; readonly outputs: number }[];
  readonly tolerance?: { readonly rtol: number; readonly atol: number };
}

interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
}

/** Per dtype; ints and bools are exact. A case may have its own for floats. */
const TOLERANCES: Readonly<Partial<Record<Tensor['datatype'], Tolerance>>> = {
  FP32: { rtol: 1e-4, atol: 1e-5 },
  FP64: { rtol: 1e-4, atol: 1e-5 },
  FP16: { rtol: 5e-3, atol: 2e-3 },
  BF16: { rtol: 2e-2, atol: 1e-2 },
};

function numbersOf(tensor: Tensor): number[] {
  const view = viewOf(tensor as Tensor & { datatype: 'FP32' }) as ArrayLike<number | bigint>;
  if (tensor.datatype === 'BF16') return Array.from(view as ArrayLike<number>, (bits) => fromBfloat16Bits(bits));
  return Array.from(view, Number);
}

/**
 * How far an output is off: undefined where it agrees. Where a float64 run was recorded it is the judge: what is as close to it
 * as PyTorch’s own float32 run (within a factor of 3) agrees too.
 */
function difference(actual: Tensor, expected: Tensor, reference: Tensor | undefined, given: Tolerance | undefined): string | undefined {
  const wide = expected.datatype === 'BF16' && actual.datatype === 'FP32';
  if (actual.datatype !== expected.datatype && !wide) return `${actual.datatype} instead of ${expected.datatype}`;
  if (actual.shape.join() !== expected.shape.join()) return `[${actual.shape.join()}] instead of [${expected.shape.join()}]`;
  const base = TOLERANCES[expected.datatype];
  const { rtol, atol } = base === undefined ? { rtol: 0, atol: 0 } : (given ?? base);
  const [got, want] = [numbersOf(actual), numbersOf(expected)];
  const truth = reference === undefined ? undefined : numbersOf(reference);
  const noise = truth === undefined ? 0 : Math.max(...want.map((w, i) => Math.abs(w - (truth[i] ?? w))).filter(Number.isFinite), 0);
  for (const [i, w] of want.entries()) {
    const g = got[i] ?? NaN;
    if (w === g || (Number.isNaN(w) && Number.isNaN(g))) continue;
    if (Math.abs(w - g) <= atol + rtol * Math.abs(w)) continue;
    if (truth !== undefined && Math.abs(g - (truth[i] ?? NaN)) <= 3 * noise) continue;
    return `element ${i} is ${g} instead of ${w}`;
  }
  return undefined;
}

for (const family of readdirSync(CASES).filter((name) => existsSync(`${CASES}${name}/index.json`)).sort()) {
  const entries = JSON.parse(readFileSync(`${CASES}${family}/index.json`, 'utf8')) as CaseEntry[];
  describe(family, () => {
    for (const entry of entries) {
      const reason = EXPECTED_FAILURES[`${family}/${entry.name}`];
      const test = reason === undefined ? it : it.fails;
      test(reason === undefined ? entry.name : `${entry.name} (${reason})`, async () => {
        const path = `${CASES}${family}/${entry.name}`;
        const tensors = decodeSafetensors(readFileSync(`${path}.safetensors`));
        const row = (call: number, side: string): Tensor[] => {
          const found: Tensor[] = [];
          for (let i = 0; tensors.has(`${call}.${side}.${i}`); i++) found.push(tensors.get(`${call}.${side}.${i}`) as Tensor);
          return found;
        };
        const compiled = new Map<string, Awaited<ReturnType<typeof compileArchive>>>();
        try {
          for (const [call] of entry.calls.entries()) {
            const args = row(call, 'in');
            const form = args.map(({ datatype, shape }) => `${datatype}${shape.length}`).join();
            const model = compiled.get(form) ?? (await compileArchive(`${path}.pt`, args));
            compiled.set(form, model);
            const outputs = await model.run(args);
            const [expected, references] = [row(call, 'out'), row(call, 'ref')];
            expect(outputs.length, `outputs of call ${call}`).toBe(expected.length);
            for (const [i, output] of outputs.entries()) {
              const want = expected[i] as Tensor;
              expect(difference(output, want, references[i], entry.tolerance), `call ${call}, output ${i}`).toBeUndefined();
            }
          }
        } finally {
          for (const model of compiled.values()) await model[Symbol.asyncDispose]();
        }
      });
    }
  });
}
