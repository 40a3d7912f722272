/**
 * Compares the speed of compiled models with PyTorch's own ONNX export of the same models, and measures the compile time.
 *
 *     python bench/peers/export_models.py OUT          # once, with PyTorch
 *     node --conditions=@sconce/source bench/compiler/compare-export.bench.ts OUT [--rounds 15] [--batch 1]
 *
 * Runs of the two are interleaved, so the ratio of the medians is reliable on a noisy machine too. Prints Markdown.
 */
import { readdirSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { encodeModel } from '@sconce/onnx';
import { OnnxSession } from '@sconce/runtime';
import { openFile } from '@sconce/storage';
import type { Tensor } from '@sconce/tensor';
import { compile, openArchive } from '@sconce/torchscript';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '15' }, batch: { type: 'string', default: '1' } },
});
const folder = resolve(positionals[0] ?? '.');
const rounds = Number(values.rounds);
const batch = Number(values.batch);
const LENGTH = 64;

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

/** An image for an input of rank 4, token ids or a mask for INT64, waves for other inputs. */
function exampleFor(spec: { name: string; datatype: Tensor['datatype']; shape: readonly number[] }): Tensor {
  const shape = spec.shape.length === 4 ? [batch, 3, 224, 224] : [batch, LENGTH];
  const count = shape.reduce((product, size) => product * size, 1);
  if (spec.datatype === 'INT64') {
    const ids = BigInt64Array.from({ length: count }, (_, i) =>
      spec.name.includes('mask') ? 1n : BigInt((i * 37) % 2000),
    );
    return { ...spec, shape, data: new Uint8Array(ids.buffer) };
  }
  const pixels = Float32Array.from({ length: count }, (_, i) => Math.sin(i * 0.37));
  return { ...spec, shape, data: new Uint8Array(pixels.buffer) };
}

/** Runs a session once and returns the time in milliseconds. */
async function timeRun(session: OnnxSession, inputs: readonly Tensor[]): Promise<number> {
  const started = performance.now();
  await session.run(
    inputs,
    session.signature.outputs.map(({ name }) => name),
    new Map(),
  );
  return performance.now() - started;
}

console.log(`| model | compile ms | nodes | ours ms | torch.onnx.export ms | ratio |\n|---|---|---|---|---|---|`);
for (const file of readdirSync(folder)
  .filter((name) => name.endsWith('.pt'))
  .sort()) {
  const name = basename(file, '.pt');
  const source = await openFile(`${folder}/${file}`);
  const compileMs: number[] = [];
  let compiled;
  for (let i = 0; i < 3; i++) {
    const started = performance.now();
    compiled = await compile(await openArchive(source), { archiveName: file });
    compileMs.push(performance.now() - started);
  }
  if (compiled === undefined) continue;
  const options = { intraOpThreads: 1 };
  const ours = await OnnxSession.open({ bytes: encodeModel(compiled.model), externalFolder: folder }, options);
  const theirs = await OnnxSession.open(`${folder}/${name}.export.onnx`, options);
  const inputs = [ours, theirs].map((session) => session.signature.inputs.map(exampleFor));
  const times: [number[], number[]] = [[], []];
  for (let round = -3; round < rounds; round++) {
    for (const side of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const ms = await timeRun(side === 0 ? ours : theirs, inputs[side] ?? []);
      if (round >= 0) times[side].push(ms);
    }
  }
  const [a, b] = times.map(median) as [number, number];
  const nodes = compiled.model.graph.nodes.length;
  console.log(
    `| ${name} | ${compileMs[0]?.toFixed(0)} (again ${median(compileMs).toFixed(0)}) | ${nodes} | ${a.toFixed(2)} | ${b.toFixed(2)} | ${(a / b).toFixed(3)} |`,
  );
  await ours.release();
  await theirs.release();
  await source.close();
}
