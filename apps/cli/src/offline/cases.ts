import { readFile } from 'node:fs/promises';
import { SconceError } from '@sconce/errors';
import { decodeSafetensors, type Tensor } from '@sconce/tensor';
import { UsageError } from '../output/failure.ts';

/** One call of a model, with the outputs it is expected to give. */
export interface Case {
  readonly call: number;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

/** Reads a safetensors file. @throws UsageError where it cannot be opened. */
export async function readTensors(path: string): Promise<Map<string, Tensor>> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new UsageError(`${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}.`, 'Check the path.');
  });
  return decodeSafetensors(bytes);
}

/** The calls of a cases file: `k.in.i` the arguments of call k, flattened in order, `k.out.j` its outputs. */
export function casesOf(tensors: ReadonlyMap<string, Tensor>): Case[] {
  const calls = new Map<number, { inputs: Tensor[]; outputs: Tensor[] }>();
  for (const [name, tensor] of tensors) {
    const [, call, side, index] = /^(\d+)\.(in|out)\.(\d+)$/.exec(name) ?? [];
    if (call === undefined) continue;
    const entry = calls.get(Number(call)) ?? { inputs: [], outputs: [] };
    entry[side === 'in' ? 'inputs' : 'outputs'][Number(index)] = tensor;
    calls.set(Number(call), entry);
  }
  const cases = [...calls].sort(([a], [b]) => a - b).map(([call, entry]) => ({ call, ...entry }));
  const broken = cases.find(({ inputs, outputs }) => outputs.length === 0 || [...inputs, ...outputs].includes(undefined as never));
  if (cases.length === 0 || broken !== undefined) {
    const what = broken === undefined ? 'holds no calls' : `misses tensors of call ${broken.call}`;
    throw new SconceError('invalid_request', `the cases file ${what}`, {
      details: { hint: 'Name each call’s arguments k.in.0, k.in.1, … and its outputs k.out.0, …; k counts calls from 0.' },
    });
  }
  return cases;
}
