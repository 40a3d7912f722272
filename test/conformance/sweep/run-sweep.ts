import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { families } from '../cases.ts';
import type { CallResult } from './outcome.ts';

/** An archive, as family and name. */
export type ArchiveName = readonly [family: string, name: string];

/** A call that takes longer than this hangs. */
const CALL_MS = 20_000;

/** The archives of the operator cases that compile, and that a pattern over `family/name` fits. */
export function sweptArchives(only = /./): ArchiveName[] {
  return families().flatMap(({ family, rows }) =>
    rows
      .filter(({ name, refused }) => refused !== true && only.test(`${family}/${name}`))
      .map(({ name }): ArchiveName => [family, name]),
  );
}

interface Begun {
  readonly begins: string;
  readonly call: number;
  readonly label: string;
}

/**
 * Runs the mutated calls of archives in child processes. A child that dies or hangs is replaced, and its call is reported.
 * `answers` is a folder with PyTorch's answers.
 */
export async function runSweep(archives: readonly ArchiveName[], answers?: string): Promise<CallResult[]> {
  const folder = mkdtempSync(`${tmpdir()}/sconce-sweep-`);
  const results: CallResult[] = [];
  let left = archives.map(([family, name]): readonly [string, string, number] => [family, name, 0]);
  try {
    while (left.length > 0) {
      writeFileSync(`${folder}/work.json`, JSON.stringify({ answers, archives: left }));
      const ended = await runChild(`${folder}/work.json`, results);
      if (ended === undefined) break;
      const { begun, outcome, detail } = ended;
      results.push({ archive: begun.begins, call: begun.call, label: begun.label, outcome, detail });
      const at = left.findIndex(([family, name]) => `${family}/${name}` === begun.begins);
      const [family = '', name = ''] = left[at] ?? [];
      left = [[family, name, begun.call + 1], ...left.slice(at + 1)];
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return results;
}

/** The end of a child in the middle of a call. */
interface EndedChild {
  readonly begun: Begun;
  readonly outcome: 'died' | 'hung';
  readonly detail: string;
}

/** Runs one child and collects its results. Undefined if it did all its work. */
async function runChild(work: string, results: CallResult[]): Promise<EndedChild | undefined> {
  const program = fileURLToPath(new URL('child.ts', import.meta.url));
  const child = spawn(process.execPath, ['--conditions=@sconce/source', '--no-warnings', program, work], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let begun: Begun | undefined;
  let isHung = false;
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors = `${errors}${chunk.toString()}`.slice(-2000);
  });
  const hang = (): void => {
    isHung = true;
    child.kill('SIGKILL');
  };
  let timer = setTimeout(hang, CALL_MS);
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    clearTimeout(timer);
    timer = setTimeout(hang, CALL_MS);
    const lines = (text + chunk.toString()).split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) {
      const told = JSON.parse(line) as Begun | CallResult;
      if ('begins' in told) begun = told;
      else {
        begun = undefined;
        results.push(told);
      }
    }
  });
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
    child.on('close', (...end) => {
      resolve(end);
    }),
  );
  clearTimeout(timer);
  if (begun !== undefined) {
    return { begun, outcome: isHung ? 'hung' : 'died', detail: signal ?? `exit code ${String(code)}` };
  }
  if (code !== 0) throw new Error(`the sweep ended between calls (${signal ?? String(code)}): ${errors}`);
  return undefined;
}
