/**
 * Compares loading the saved form of a 100 MB model with loading the pushed model: private memory and time of the first and of a
 * second thread, and the time of a new process to its first answer (with the start of Node and the digests).
 *
 *     npm run build
 *     node --conditions=@sconce/source bench/registration/saved-form.bench.ts [--rounds 5]
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InferencePool, runtimeConfigSchema, saveForm, type ModelFile, type RunResult } from '@sconce/runtime';
import { PROCESS_ENVIRONMENT } from '@sconce/runtime/process-environment';
import { writeLargeModel } from './large-model.ts';

const WIDTHS = [1024, 4096, 4096, 1000];
const MIB = 1024 ** 2;

interface Report {
  readonly firstMs: number;
  readonly firstMiB: number;
  readonly secondMs: number;
  readonly secondMiB: number;
  /** Since the start of the process. */
  readonly answeredMs: number;
}

const anonymous = (): number =>
  Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0) / 1024;

/** Runs in its own process: first one thread answers, then the other. */
async function measure(file: ModelFile): Promise<Report> {
  const x = { name: 'x', datatype: 'FP32' as const, shape: [1, 1024], data: new Uint8Array(4096) };
  const pool = new InferencePool(runtimeConfigSchema.parse({ threads: 2, tasksPerThread: 1 }));
  const run = (): Promise<RunResult> =>
    pool.run({ file, parts: [[x]], outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1000] }] });
  const none = { model: 'none', version: '1', key: 'none', path: '', sizeBytes: 0 };
  // The threads, with their copies of Node, start before the model is loaded.
  await Promise.allSettled([pool.inspect(none), pool.inspect(none)]);
  const before = anonymous();
  const first = await run();
  const answeredMs = performance.now();
  const between = anonymous();
  // Two at once: one of them goes to the thread that does not have the model.
  const both = await Promise.all([run(), run()]);
  const second = both.find(({ timing }) => timing.loadMs > 0);
  if (second === undefined) throw new Error('the second thread was not used');
  const after = anonymous();
  await pool.close();
  return {
    firstMs: first.timing.loadMs,
    firstMiB: between - before,
    secondMs: second.timing.loadMs,
    secondMiB: after - between,
    answeredMs,
  };
}

async function compare(rounds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sconce-bench-'));
  try {
    const pushed = join(folder, 'pushed.onnx');
    writeLargeModel(pushed, WIDTHS);
    const names = await saveForm(pushed, folder, { prepacked: true });
    const fileOf = (path: string, parts: readonly string[]): ModelFile => ({
      model: path,
      version: '1',
      key: path,
      path,
      sizeBytes: statSync(path).size,
      digests: parts.map((part) => ({
        path: part,
        sha256: createHash('sha256').update(readFileSync(part)).digest('hex'),
      })),
    });
    const files = {
      'as pushed': fileOf(pushed, [pushed]),
      'saved form': fileOf(
        join(folder, 'model.onnx'),
        names.map((name) => join(folder, name)),
      ),
    };
    const reports = new Map<string, Report[]>(Object.keys(files).map((name) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const [name, file] of Object.entries(files)) {
        // Uses the built libraries, as in production.
        const args = ['--no-warnings', fileURLToPath(import.meta.url), '--measure', JSON.stringify(file)];
        const env = { ...process.env, ...PROCESS_ENVIRONMENT };
        const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env });
        if (stdout === '') throw new Error(stderr);
        reports.get(name)?.push(JSON.parse(stdout) as Report);
      }
    }
    console.log(
      `${(statSync(pushed).size / MIB).toFixed(0)} MiB of weights, medians of ${rounds} interleaved processes\n`,
    );
    console.log(
      '| form | 1st thread ms | private MiB | 2nd thread ms | private MiB | process start → first answer ms |',
    );
    console.log('| --- | --- | --- | --- | --- | --- |');
    for (const [name, own] of reports) {
      const median = (field: keyof Report): string =>
        (own.map((report) => report[field]).sort((a, b) => a - b)[Math.floor(own.length / 2)] ?? 0).toFixed(1);
      const fields = ['firstMs', 'firstMiB', 'secondMs', 'secondMiB', 'answeredMs'] as const;
      console.log(`| ${name} | ${fields.map(median).join(' | ')} |`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const at = (flag: string): string | undefined => process.argv[process.argv.indexOf(flag) + 1];
if (process.argv.includes('--measure'))
  console.log(JSON.stringify(await measure(JSON.parse(at('--measure') ?? '') as ModelFile)));
else await compare(process.argv.includes('--rounds') ? Number(at('--rounds')) : 5);
