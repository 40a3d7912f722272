import { readFileSync } from 'node:fs';
import { arch, cpus } from 'node:os';

/** Instruction set extensions that decide which kernels and which layout of prepacked weights ONNX Runtime uses; Linux's names. */
const EXTENSIONS = [
  ...['sse4_1', 'avx', 'avx2', 'f16c', 'fma', 'avx512f', 'avx512bw', 'avx512dq', 'avx512vl', 'avx512_vnni'],
  ...['avx512_bf16', 'avx_vnni', 'amx_tile', 'amx_int8', 'amx_bf16'],
  ...['asimd', 'asimddp', 'asimdhp', 'bf16', 'i8mm', 'sve'],
];

/** The kind of this processor: `x64.avx2.fma…`. Processors of one kind can use one saved form. On other systems than Linux: its name. */
export function cpuClass(): string {
  const flags = readFlags();
  const parts = flags === undefined ? [cpus()[0]?.model ?? 'unknown'] : EXTENSIONS.filter((name) => flags.has(name));
  return [arch(), ...parts].join('.').replace(/[^A-Za-z0-9._-]+/g, '-');
}

function readFlags(): ReadonlySet<string> | undefined {
  let text: string;
  try {
    text = readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return undefined;
  }
  const line = /^(?:flags|Features)\s*:(.*)$/m.exec(text)?.[1];
  return line === undefined ? undefined : new Set(line.trim().split(/\s+/));
}
