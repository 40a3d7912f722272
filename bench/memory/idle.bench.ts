/**
 * Measures the resident memory of an idle API and an idle worker, started by `sconce up`. The worker holds one small model and has
 * answered one request:
 *
 *     node --conditions=@sconce/source bench/memory/idle.bench.ts [--seconds 60]
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SCONCE, startBenchStack } from '../support/stack.ts';

const DIGITS = fileURLToPath(new URL('../../examples/digits/digits.pt', import.meta.url));
const LIMITS_MB = { api: 120, worker: 130 };

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' } } });
const data = mkdtempSync(join(tmpdir(), 'sconce-idle-'));
const stack = await startBenchStack({ data });
try {
  execFileSync(process.execPath, [SCONCE, 'push', DIGITS, '--name', 'digits'], {
    env: { ...process.env, SCONCE_URL: stack.url },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const pixels = { name: 'pixels', datatype: 'FP32', shape: [1, 64], data: new Array<number>(64).fill(0) };
  const answer = await fetch(`${stack.url}/v2/models/digits/infer`, {
    method: 'POST',
    body: JSON.stringify({ inputs: [pixels] }),
  });
  if (!answer.ok) throw new Error(`the request failed: ${answer.status} ${await answer.text()}`);
  await answer.arrayBuffer();
  await delay(Number(values.seconds) * 1_000);
  console.log(`Idle for ${values.seconds} s, in MB (10^6 bytes):\n`);
  console.log('| process | resident | of files | anonymous | limit |\n| --- | --- | --- | --- | --- |');
  for (const [name, pid] of [['api', stack.pids.api] as const, ['worker', stack.pids.workers[0] ?? 0] as const]) {
    const { resident, anonymous } = memoryOf(pid);
    const cells = [resident, resident - anonymous, anonymous].map((megabytes) => megabytes.toFixed(1));
    console.log(`| ${name} | ${cells.join(' | ')} | ${LIMITS_MB[name]} |`);
  }
} finally {
  await stack.stop();
  rmSync(data, { recursive: true, force: true });
}

/** Memory of a process in MB: all resident pages, and those without a file. */
function memoryOf(pid: number): { readonly resident: number; readonly anonymous: number } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const of = (field: string): number =>
    (Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) * 1_024) / 1e6;
  return { resident: of('Rss'), anonymous: of('Anonymous') };
}
