import { existsSync, readFileSync, writeSync } from 'node:fs';
import { decodeSafetensors, type Tensor } from '@sconce/tensor';
import { compileArchive, type CompiledArchive } from '../../support/compiled-archive.ts';
import { archivePath, families, optionsOf, readCase, tensorsOfCalls, type CaseRow } from '../cases.ts';
import { mutatedCalls } from './mutations.ts';
import { outcomeOf, type CallResult, type PyTorchAnswer } from './outcome.ts';

/**
 * Runs mutated calls of archives and writes a line of JSON for each. The process may die in a kernel; the parent then knows the call
 * from the line before, and starts another process behind it.
 *
 * Arguments: a file with `{ answers?: FOLDER, archives: [[family, name, first call], …] }`.
 */
interface Work {
  readonly answers?: string;
  readonly archives: readonly (readonly [family: string, name: string, from: number])[];
}

const tell = (line: object): void => {
  writeSync(1, `${JSON.stringify(line)}\n`);
};

/** PyTorch's answers to the calls of an archive, by call. */
function answersOf(
  folder: string | undefined,
  archive: string,
  row: CaseRow,
): (call: number) => PyTorchAnswer | undefined {
  const path = `${folder ?? ''}/${archive}`;
  if (folder === undefined || row.random === true || row.stateful === true || !existsSync(`${path}.json`)) {
    return () => undefined;
  }
  const raised = JSON.parse(readFileSync(`${path}.json`, 'utf8')) as Record<string, string | null>;
  const tensors = tensorsOfCalls(decodeSafetensors(readFileSync(`${path}.out.safetensors`)));
  return (call) => {
    const raises = raised[String(call)];
    if (raises === undefined) return undefined;
    return raises === null ? { outputs: tensors(call, 'out') } : { raises };
  };
}

async function sweep(family: string, row: CaseRow, from: number, answers?: string): Promise<void> {
  const archive = `${family}/${row.name}`;
  const example = readCase(family, row.name)(0, 'in');
  const [first] = row.calls;
  let model: CompiledArchive;
  try {
    if (first === undefined) return;
    model = await compileArchive(archivePath(family, row.name), example, (opened, flat) =>
      optionsOf(first, opened, flat),
    );
  } catch {
    return;
  }
  const answerOf = answersOf(answers, archive, row);
  for (const [call, { label, inputs }] of mutatedCalls(example).entries()) {
    if (call < from) continue;
    tell({ begins: archive, call, label });
    const answer = await answered(model, inputs);
    tell({ archive, call, label, ...outcomeOf(answer, answerOf(call), row.tolerance) } satisfies CallResult);
  }
  await model[Symbol.asyncDispose]();
}

async function answered(model: CompiledArchive, inputs: readonly Tensor[]): Promise<PyTorchAnswer> {
  try {
    return { outputs: await model.run(inputs) };
  } catch (thrown) {
    return { raises: thrown instanceof Error ? thrown.message : String(thrown) };
  }
}

const work = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Work;
const rows = new Map(families().flatMap(({ family, rows: all }) => all.map((row) => [`${family}/${row.name}`, row])));
for (const [family, name, from] of work.archives) {
  const row = rows.get(`${family}/${name}`);
  if (row !== undefined) await sweep(family, row, from, work.answers);
}
