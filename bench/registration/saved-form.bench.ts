/**
 * What the saved form of a 100 MB model costs to load, against the model as it was pushed: private memory and time of the first
 * and of a second thread, and the time of a fresh process to its first answer (start of Node and digests included).
 *
 *     node --conditions=@sconce/source bench/registration/saved-form.bench.ts [--rounds 5]
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InferencePool, runtimeConfigSchema, saveForm, type ModelFile } from '@sconce/runtime';
import { writeLargeModel } from './large-model.ts';

const WIDTHS = [1024, 4096, 4096, 1000];
const MIB = 1024 ** 2;

interface Report {
  readonly firstMs: number;
  readonly firstMiB: number;
  readonly secondMs: number;
  readonly secondMiB: number;
  /** Since the process was started. */
  readonly answeredMs: number;
}

const anonymous = (): number =>
  Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0) / 1024;

/** In a process of its own: one thread answers, then a second one. */
async function measure(file: ModelFile): Promise<Report> {
  const x = { name: 'x', datatype: 'FP32' as const, shape: [1, 1024], data: new Uint8Array(4096) };
  const run = (pool: InferencePool): Promise<unknown> =>
    pool.run({ file, parts: [[x]], outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1000] }] });
  const pools = [1, 2].map(() => new InferencePool(runtimeConfigSchema.parse({ threads: 1 })));
  const figures: number[] = [];
  for (const pool of pools) {
    // The thread itself and its copy of Node are there before the model is.
    await pool.inspect({ id: 'none', path: '', sizeBytes: 0 }).catch(() => undefined);
    const [beforeMs, before] = [performance.now(), anonymous()];
    await run(pool);
    figures.push(performance.now() - beforeMs, anonymous() - before);
    if (figures.length === 2) figures.push(performance.now());
  }
  await Promise.all(pools.map((pool) => pool.close()));
  const [firstMs = 0, firstMiB = 0, answeredMs = 0, secondMs = 0, secondMiB = 0] = figures;
  return { firstMs, firstMiB, secondMs, secondMiB, answeredMs };
}

async function compare(rounds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sconce-bench-'));
  try {
    const pushed = join(folder, 'pushed.onnx');
    writeLargeModel(pushed, WIDTHS);
    const names = await saveForm(pushed, folder, { prepacked: true });
    const fileOf = (path: string, parts: readonly string[]): ModelFile => ({
      id: path,
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
        const args = [
          '--conditions=@sconce/source',
          '--no-warnings',
          fileURLToPath(import.meta.url),
          '--measure',
          JSON.stringify(file),
        ];
        const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
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
