import { existsSync } from 'node:fs';
import { checkSession, warmUp } from './check-session.ts';
import { OnnxSession } from './onnx-session.ts';
import type { ModelFile } from './thread-protocol.ts';
import { modelGone } from './verify-files.ts';

/** Opens a model's file, repeats its check call and makes its warm-up runs. @throws SconceError `model_invalid`, `model_corrupt`, `model_not_found`. */
export async function openChecked(
  file: ModelFile,
  defaults: { readonly intraOpThreads: number },
): Promise<OnnxSession> {
  const intraOpThreads = file.intraOpThreads ?? defaults.intraOpThreads;
  const session = await OnnxSession.open(file.path, { intraOpThreads }).catch((error: unknown) => {
    throw existsSync(file.path) ? error : modelGone(file.path);
  });
  try {
    if (file.check !== undefined) await checkSession(session, file.check);
    await warmUp(session, file);
    return session;
  } catch (error) {
    await session.release();
    throw error;
  }
}
