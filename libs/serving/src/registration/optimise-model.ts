import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { FORM_FILES, OnnxSession, checkSession, formTarget, saveForm } from '@sconce/runtime';
import { decodeFrame } from '@sconce/tensor';
import { measureModel } from './measure-model.ts';
import type { MadeFile, Optimised, RegistrationTask } from './registration-task.ts';

type OptimiseTask = RegistrationTask & { readonly kind: 'optimise' };

/**
 * Saves the model as ONNX Runtime has optimised it for this machine, repeats the check call with the saved form, and measures it.
 * A model that crashes or fails here must not be served.
 *
 * @throws SconceError `model_invalid`, `model_corrupt`, `inference_failed`.
 */
export async function optimiseModel(task: OptimiseTask): Promise<Omit<Optimised, 'kind'>> {
  const { modelPath, checkPath, folder, save, measure } = task;
  const names = save === 'nothing' ? [] : await saveForm(modelPath, folder, { prepacked: save === 'prepacked' });
  const path = servedPath(task);
  const session = await OnnxSession.open(path, { intraOpThreads: 1 });
  try {
    if (checkPath !== undefined) await checkSession(session, checkPath);
  } finally {
    await session.release();
  }
  const performance = measure && (await measureModel(path, decodeFrame(measure.call).tensors, measure.batch));
  const files: MadeFile[] = [];
  for (const name of names) files.push({ name, sha256: await digestOf(join(folder, name)) });
  return {
    form: files.length === 0 ? undefined : { ...formTarget(), files },
    performance,
  };
}

/** The file that threads will load. */
export function servedPath({ modelPath, folder, save }: OptimiseTask): string {
  return save === 'nothing' ? modelPath : join(folder, FORM_FILES.model);
}

/** SHA-256 of a file, lower-case hex. */
export async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}
