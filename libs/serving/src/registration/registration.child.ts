import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { SconceError, toSconceError } from '@sconce/errors';
import { exposeCollector } from '@sconce/process/memory';
import { casesOf, decodeFrame, decodeSafetensors, encodeFrame, type CallCase } from '@sconce/tensor';
import { checkParity, DEFAULT_TOLERANCE, parityError } from './check-parity.ts';
import { loadArtifact, type LoadedArtifact } from './load-artifact.ts';
import { measureRunMemory } from './measure-run-memory.ts';
import { digestOf, optimiseModel, servedPath } from './optimise-model.ts';
import { makeCheck, proveModel } from './prove-model.ts';
import type { MadeFile, RegistrationMessage, RegistrationTask } from './registration-task.ts';

// The process of one registration task. A model that crashes, hangs or takes too much memory harms no other process.

// Before the first thread starts.
const collect = exposeCollector();

type RegisterTask = RegistrationTask & { kind: 'register' };

async function register(task: RegisterTask): Promise<void> {
  const { artifact, config, folder } = task;
  if ((await digestOf(artifact.path)) !== artifact.sha256) {
    throw new SconceError(
      'model_corrupt',
      'the artifact in the store has another digest than the uploaded file: push it again',
    );
  }
  const cases = task.casesPath === undefined ? [] : casesOf(decodeSafetensors(await readFile(task.casesPath)));
  const model = await loadArtifact(artifact, config, cases);
  const { inputs, outputs } = model.session.signature;
  const graph = model.graph && (await writeMadeFile(folder, 'graph.onnx', model.graph));
  const { warnings, unbounded } = model;
  await send({ kind: 'compiled', signature: { inputs, outputs }, warnings, unbounded, graph });
  await prove(task, model, cases);
}

async function prove(task: RegisterTask, model: LoadedArtifact, cases: readonly CallCase[]): Promise<void> {
  const { config, folder } = task;
  const proved = await proveModel(model, config, cases);
  const parity =
    cases.length === 0 ? undefined : await checkParity(model, cases, config.tolerance ?? DEFAULT_TOLERANCE);
  const check = await makeCheck(model, proved.call);
  const { signature, batch, call } = proved;
  await send({
    kind: 'proved',
    signature,
    batch,
    call: encodeFrame({ meta: null, tensors: call }),
    warnings:
      check === undefined
        ? ['the model is random, or its calls are too large to keep: workers do not check it after loading']
        : [],
    parity,
    check: check && (await writeMadeFile(folder, 'check.safetensors', check)),
  });
  if (parity?.ok === false) throw parityError(parity);
}

async function optimise(task: RegistrationTask & { kind: 'optimise' }): Promise<void> {
  await send({ kind: 'optimised', ...(await optimiseModel(task)) });
  const { measure } = task;
  if (measure === undefined) return;
  // Last, because the model may not bear the sizes that are tried here.
  const call = decodeFrame(measure.call).tensors;
  const runMemory = await measureRunMemory(servedPath(task), {
    call,
    batch: measure.batch,
    collect: () => collect({ type: 'major', execution: 'sync' }),
  }).catch(() => undefined);
  if (runMemory !== undefined) await send({ kind: 'run_measured', runMemory });
}

async function writeMadeFile(folder: string, name: string, bytes: Uint8Array): Promise<MadeFile> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return { name, sha256: await digestOf(path) };
}

/** Resolves when the message was sent, so that no message is lost when the process ends. */
async function send(message: RegistrationMessage): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    process.send?.(message, (error: Error | null) => (error === null ? resolve() : reject(error)));
  });
}

/** Ends this process when its parent is gone, even while it is in native code that never returns. */
function endWithParent(): void {
  const watch = `
    const parent = ${process.ppid};
    setInterval(() => { if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL'); }, 500);`;
  new Worker(watch, { eval: true }).unref();
}

process.once('message', (task: RegistrationTask) => {
  endWithParent();
  (task.kind === 'register' ? register(task) : optimise(task))
    .catch((error: unknown) => send({ kind: 'failed', error: toSconceError(error).toJSON() }))
    .finally(() => process.exit(0));
});
