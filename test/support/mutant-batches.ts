import type { SconceClient } from '@sconce/client';
import type { Mutant } from '@sconce/datasets/testing';

/** How the batch of a mutant ended. */
export interface MutantBatch {
  readonly mutant: Pick<Mutant, 'kind' | 'filename' | 'at' | 'was' | 'is'>;
  readonly status: string;
  /** From its submission to its end. */
  readonly seconds: number;
  /** Of a batch that failed. */
  readonly code?: string | undefined;
}

/** A batch has to end within this time. */
const MOST_SECONDS = 30;
const AT_ONCE = 4;

/** Scores mutants, some at a time, and waits for the ends of their batches. */
export async function scoreMutants(client: SconceClient, mutants: Iterable<Mutant>): Promise<MutantBatch[]> {
  const rest = mutants[Symbol.iterator]();
  const ended: MutantBatch[] = [];
  const work = async (): Promise<void> => {
    for (let next = rest.next(); next.done !== true; next = rest.next()) {
      ended.push(await scoreMutant(client, next.value));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return ended;
}

/**
 * Scores a mutant with the fixture `affine` as a batch, and waits for its end; a batch that takes too long is cancelled. The model takes 4
 * values a row: four times that of the column.
 */
async function scoreMutant(client: SconceClient, { bytes, column, ...mutant }: Mutant): Promise<MutantBatch> {
  const x = [column, column, column, column];
  const request = { model: 'affine', inputs: { x }, output_format: 'csv' as const };
  const startMs = performance.now();
  const { id } = await client.batches.score(request, bytes, { filename: mutant.filename });
  const signal = AbortSignal.timeout(MOST_SECONDS * 1_000);
  const { status, errors } = await client.batches.wait(id, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
    return client.batches.cancel(id);
  });
  return { mutant, status, seconds: (performance.now() - startMs) / 1_000, code: errors?.data[0]?.code };
}

/** What is wrong with the end of a batch; undefined if nothing is. */
export function wrongEnd({ mutant, status, seconds, code }: MutantBatch): string | undefined {
  const { filename, at, was, is } = mutant;
  const what = `${filename}, byte ${at} from ${was} to ${is}: ${status} ${code ?? ''} after ${seconds.toFixed(1)} s`;
  const isEnd = status === 'completed' || (status === 'failed' && code === 'invalid_dataset');
  return isEnd && seconds < MOST_SECONDS ? undefined : what;
}
