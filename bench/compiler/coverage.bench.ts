/**
 * Compiles every archive of a folder, runs its recorded calls and writes docs/coverage.md: parity with PyTorch and compile time.
 *
 *     python -m generate.zoo OUT                      # in test/conformance, once, with PyTorch
 *     node --conditions=@sconce/source bench/compiler/coverage.bench.ts OUT > docs/coverage.md
 *
 * Errors are relative to the spread of the expected output (largest minus smallest value). If the case has a float64 run of
 * the same module, the page also has the errors of PyTorch's float32 run and of the compiled model against that run.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { decodeSafetensors, viewOf, type Tensor } from '@sconce/tensor';
import { tensorsOfCalls } from '../../test/conformance/cases.ts';
import { compileArchive } from '../../test/support/compiled-archive.ts';

const folder = resolve(process.argv[2] ?? '.');

interface Row {
  readonly name: string;
  readonly compileMs: number;
  readonly nodes: number;
  /** Largest error against PyTorch's outputs, relative to the spread. */
  readonly error: number;
  /** Largest error of the compiled model against the float64 run. Undefined if there is no such run. */
  readonly ours: number | undefined;
  /** Largest error of PyTorch's float32 run against the float64 run. */
  readonly torch: number | undefined;
}

const numbersOf = (tensor: Tensor): Float64Array =>
  Float64Array.from(viewOf(tensor as Tensor & { datatype: 'FP32' }) as ArrayLike<number | bigint>, Number);

/** The largest difference, relative to the spread of `truth`. */
function distance(values: Float64Array, truth: Float64Array): number {
  let [low, high, most, worst] = [Infinity, -Infinity, 0, 0];
  for (const [i, value] of truth.entries()) {
    if (!Number.isFinite(value)) continue;
    [low, high, most] = [Math.min(low, value), Math.max(high, value), Math.max(most, Math.abs(value))];
    worst = Math.max(worst, Math.abs((values[i] ?? NaN) - value));
    if (Number.isNaN(values[i])) return Infinity;
  }
  // A single number has no spread, so the difference is relative to the number itself.
  return worst === 0 ? 0 : worst / (high > low ? high - low : most);
}

async function measure(path: string): Promise<Row> {
  const side = tensorsOfCalls(decodeSafetensors(readFileSync(path.replace(/\.pt$/, '.safetensors'))));
  await using model = await compileArchive(path, side(0, 'in'));
  let [error, ours, torch] = [0, 0, 0];
  let hasReference = false;
  for (let call = 0; side(call, 'in').length > 0; call++) {
    const outputs = await model.run(side(call, 'in'));
    for (const [i, want] of side(call, 'out').entries()) {
      const [got, expected] = [numbersOf(outputs[i] as Tensor), numbersOf(want)];
      if (outputs[i]?.shape.join() !== want.shape.join())
        throw new Error(`output ${i} has shape [${outputs[i]?.shape.join()}]`);
      error = Math.max(error, distance(got, expected));
      const reference = side(call, 'ref')[i];
      if (reference === undefined) continue;
      hasReference = true;
      ours = Math.max(ours, distance(got, numbersOf(reference)));
      torch = Math.max(torch, distance(expected, numbersOf(reference)));
    }
  }
  const { compileMs, compiled } = model;
  const nodes = compiled.model.graph.nodes.length;
  return {
    name: basename(path, '.pt'),
    compileMs,
    nodes,
    error,
    ours: hasReference ? ours : undefined,
    torch: hasReference ? torch : undefined,
  };
}

const scientific = (value: number | undefined): string =>
  value === undefined ? '–' : value === 0 ? '0' : value.toExponential(1);

const rows: Row[] = [];
const failures: { readonly name: string; readonly reason: string }[] = [];
for (const file of readdirSync(folder)
  .filter((name) => name.endsWith('.pt'))
  .sort()) {
  try {
    rows.push(await measure(`${folder}/${file}`));
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    failures.push({ name: basename(file, '.pt'), reason: reason.slice(0, 160) });
  }
  process.stderr.write(`\r${rows.length} compiled, ${failures.length} not `);
}

const compileTimes = rows.map(({ compileMs }) => compileMs).sort((a, b) => a - b);
console.log(`# Coverage

<!-- Written by bench/compiler/coverage.bench.ts. -->

${rows.length} of ${rows.length + failures.length} archives compile and run: torchvision, timm and Hugging Face models with random,
calibrated weights, traced and scripted, each called with two batch sizes, sequence models with other lengths than traced. Compile time
(open, execute, write nothing): median ${(compileTimes[Math.floor(compileTimes.length / 2)] ?? 0).toFixed(0)} ms, longest ${(compileTimes.at(-1) ?? 0).toFixed(0)} ms.

Errors are relative to the spread of the output (largest minus smallest value). _PyTorch, float64_ is the error of PyTorch's float32
run against a float64 run of the same module. _ours, float64_ is the error of the compiled model against it. Errors of equal size are rounding.

| model | against PyTorch | ours, float64 | PyTorch, float64 | nodes | compile ms |
| --- | --- | --- | --- | --- | --- |
${rows.map((row) => `| ${row.name} | ${scientific(row.error)} | ${scientific(row.ours)} | ${scientific(row.torch)} | ${row.nodes} | ${row.compileMs.toFixed(0)} |`).join('\n')}
${failures.length === 0 ? '' : `\n## Not compiled\n\n${failures.map(({ name, reason }) => `- ${name}: ${reason}`).join('\n')}\n`}`);
