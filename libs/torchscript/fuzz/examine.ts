import { SconceError } from '@sconce/errors';
import { MemoryByteSource } from '@sconce/storage';

import { openArchive } from '../src/archive/open-archive.ts';
import { contiguousRange, readTensor } from '../src/archive/read-tensor.ts';
import { compile } from '../src/compile.ts';
import type { PickleTensor, PickleValue } from '../src/pickle/pickle-value.ts';

/** The result for a file: compiled, or refused at some stage. */
export type Verdict = 'compiled' | 'refused';

/**
 * Runs all stages of the compiler on an untrusted file. Add new stages here.
 *
 * For any bytes, each stage must succeed or throw a SconceError `model_invalid`. Any other error is a bug and is thrown on.
 */
export async function examine(bytes: Uint8Array): Promise<Verdict> {
  try {
    const archive = await openArchive(new MemoryByteSource(bytes));
    for (const source of archive.sources.values()) {
      for (let offset = 0; offset <= source.text.length; offset += 40) source.originAt(offset);
    }
    const tensors = [archive.root, ...archive.constants].flatMap(tensorsIn);
    for (const tensor of tensors) {
      contiguousRange(archive, tensor);
      await readTensor(archive, tensor);
    }
    await compile(archive);
    return 'compiled';
  } catch (error) {
    if (error instanceof SconceError && error.code === 'model_invalid') return 'refused';
    throw error;
  }
}

/** The tensors of a value, each once. The value may be cyclic. */
export function tensorsIn(value: PickleValue): PickleTensor[] {
  const tensors: PickleTensor[] = [];
  const seen = new Set<PickleValue>();
  const pending = [value];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (next === null || typeof next !== 'object' || seen.has(next)) continue;
    seen.add(next);
    if (next.kind === 'tensor') tensors.push(next);
    for (const child of childrenOf(next)) pending.push(child);
  }
  return tensors;
}

function childrenOf(value: PickleValue & object): Iterable<PickleValue> {
  if (value.kind === 'list' || value.kind === 'tuple') return value.items;
  if (value.kind === 'dict') return value.entries.flat();
  if (value.kind === 'object') return [...value.attributes.values(), value.state ?? null];
  return [];
}
