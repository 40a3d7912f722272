import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { ModelBatch, RunMemory } from '@sconce/contracts';
import { OnnxSession } from '@sconce/runtime';
import { elementCount, type Tensor } from '@sconce/tensor';
import { fitGrowth, type Point } from './fit-growth.ts';

/** Sizes grow until a run takes so much. The process itself takes and gives back up to a megabyte meanwhile. */
const REFERENCE_BYTES = 16 * 1024 ** 2;
/** Less is not counted: the allocator takes small pieces from memory that earlier runs have left. */
const LEAST_BYTES = 4 * 1024 ** 2;
/** What is measured stays below these. */
const MAX_RUN_BYTES = 256 * 1024 ** 2;
const MAX_INPUT_BYTES = 32 * 1024 ** 2;
const LONGEST_RUN_MS = 100;
/** Time in which V8's threads give back the memory of collected buffers. */
const SWEEP_MS = 5;
/** CPU time for all runs. The process has the lowest priority: on a busy machine it waits most of the time. */
const BUDGET_MS = 1_000;
/** Sizes that are measured around the reference, as factors on it. */
const STEPS = [1 / 2, 2, 4];

/** A size that is free: one axis, or several that must agree. */
interface FreeSize {
  readonly axes: readonly { readonly input: string; readonly axis: number }[];
  readonly rows: boolean;
  /** Its value in the call. */
  readonly size: number;
}

/** What is run, and how. */
export interface RunMemoryCall {
  readonly call: readonly Tensor[];
  readonly batch: ModelBatch;
  /** Collects the garbage of this process. */
  readonly collect: () => void;
}

interface Measured {
  readonly bytes: number;
  readonly ms: number;
}

/**
 * Measures how much memory a run takes besides the model, and how it grows with each size that is free. Inputs of other sizes repeat
 * the values of `call`. A size at which the model fails ends the growth of that size.
 *
 * undefined if the system does not report peaks of memory, or an input holds texts.
 */
export async function measureRunMemory(
  path: string,
  { call, batch, collect }: RunMemoryCall,
): Promise<RunMemory | undefined> {
  if (call.some(({ datatype }) => datatype === 'BYTES') || !resetPeak()) return undefined;
  // With its arena the session would keep what earlier runs took, and a later run would seem to take less.
  const session = await OnnxSession.open(path, { intraOpThreads: 1, arena: false });
  const endMs = cpuMs() + BUDGET_MS;
  let garbageBytes = 0;
  const outputs = session.signature.outputs.map(({ name }) => name);
  const measure = async (sizes: ReadonlyMap<FreeSize, number>): Promise<Measured | undefined> => {
    if (cpuMs() > endMs) return undefined;
    const inputs = resized(call, sizes);
    if (inputs === undefined) return undefined;
    // Else the memory of earlier runs could be given back during this one. Finalizers run in the turns after a collection.
    if (garbageBytes >= LEAST_BYTES) {
      collect();
      await delay(SWEEP_MS);
    }
    garbageBytes = inputs.reduce((sum, { data }) => sum + data.byteLength, 0);
    resetPeak();
    const before = peakBytes();
    const startMs = cpuMs();
    try {
      const made = await session.run(inputs, outputs, new Map());
      garbageBytes += made.reduce((sum, { data }) => sum + data.byteLength, 0);
    } catch {
      return undefined;
    }
    return { bytes: Math.max(1, peakBytes() - before), ms: cpuMs() - startMs };
  };
  try {
    // The first run also takes what the session keeps.
    await measure(new Map());
    let reference = await measure(new Map());
    if (reference === undefined) return undefined;
    const at = new Map<FreeSize, number>();
    const growing: FreeSize[] = [];
    for (const size of await independent(freeSizes(session, call, batch), measure)) {
      const grown = await growToReference({
        from: size.size,
        reference,
        measure: (value) => measure(new Map(at).set(size, value)),
      });
      // A size that the model refuses to change is not free.
      if (grown.size === size.size && reference.bytes < REFERENCE_BYTES && cpuMs() < endMs) continue;
      reference = grown.reference;
      at.set(size, grown.size);
      growing.push(size);
    }
    const growth: RunMemory['growth'][number][] = [];
    for (const size of growing) {
      const own = at.get(size) ?? size.size;
      // Rows do not know each other, so each takes the same.
      const points = size.rows
        ? [{ size: own, bytes: reference.bytes }]
        : await sweep({ own, reference, measure: (value) => measure(new Map(at).set(size, value)) });
      growth.push({
        axes: size.axes,
        rows: size.rows,
        size: own,
        largest: Math.max(...points.map((point) => point.size)),
        factor: fitGrowth(points, { size: own, bytes: reference.bytes }),
      });
    }
    return { bytes: reference.bytes, growth };
  } finally {
    await session.release();
  }
}

/** Splits a size that the call shares between axes, where the model also runs when only one of them changes. */
async function independent(
  sizes: readonly FreeSize[],
  measure: (sizes: ReadonlyMap<FreeSize, number>) => Promise<Measured | undefined>,
): Promise<FreeSize[]> {
  const split: FreeSize[] = [];
  for (const size of sizes) {
    const together: FreeSize['axes'][number][] = [];
    for (const axis of size.axes) {
      const alone = { ...size, axes: [axis] };
      if (size.axes.length > 1 && !size.rows && (await measure(new Map([[alone, size.size * 2]]))) !== undefined) {
        split.push(alone);
      } else {
        together.push(axis);
      }
    }
    if (together.length > 0) split.push({ ...size, axes: together });
  }
  return split;
}

type MeasureAt = (size: number) => Promise<Measured | undefined>;

/** Makes a size larger until a run takes REFERENCE_BYTES, too long, or fails. In large steps while runs are small, so that few are needed. */
async function growToReference(given: {
  readonly from: number;
  readonly reference: Measured;
  readonly measure: MeasureAt;
}): Promise<{ readonly size: number; readonly reference: Measured }> {
  let { from: size, reference } = given;
  for (let factor = 8; factor >= 2 && reference.bytes < REFERENCE_BYTES;) {
    const isTooLong = reference.ms * factor > LONGEST_RUN_MS;
    const larger = isTooLong ? undefined : await given.measure(size * factor);
    if (larger === undefined) {
      factor /= 2;
      continue;
    }
    size *= factor;
    reference = larger;
    if (reference.bytes > REFERENCE_BYTES / 16) factor = 2;
  }
  return { size, reference };
}

/** Points around the reference, until a run takes too long or too much. */
async function sweep(given: {
  readonly own: number;
  readonly reference: Measured;
  readonly measure: MeasureAt;
}): Promise<Point[]> {
  const { own, reference, measure } = given;
  const points: Point[] = [{ size: own, bytes: reference.bytes }];
  for (const step of STEPS) {
    const size = Math.floor(own * step);
    if (size < 1 || size === own) continue;
    const measured = await measure(size);
    if (measured === undefined) {
      if (step > 1) break;
      continue;
    }
    // What is given back during a run makes its peak look smaller, so the larger of two counts.
    const bytes = Math.max(measured.bytes, (await measure(size))?.bytes ?? 0);
    if (bytes >= LEAST_BYTES) points.push({ size, bytes });
    if (measured.ms > LONGEST_RUN_MS || measured.bytes > MAX_RUN_BYTES / 4) break;
  }
  return points;
}

/** The rows last: they grow whatever the other sizes are. Axes that have one size in the call may be one size. */
function freeSizes(session: OnnxSession, call: readonly Tensor[], batch: ModelBatch): FreeSize[] {
  const rowInputs = new Set(batch.axis === 'none' ? [] : batch.inputs);
  const rows: FreeSize['axes'][number][] = [];
  const others = new Map<number, FreeSize['axes'][number][]>();
  for (const { name, shape } of session.signature.inputs) {
    const own = call.find((tensor) => tensor.name === name)?.shape ?? [];
    for (const [axis, size] of shape.entries()) {
      const now = own[axis] ?? 0;
      if (axis === 0 && rowInputs.has(name)) {
        if (batch.axis === 'dynamic') rows.push({ input: name, axis });
      } else if (size === -1 && now > 0) {
        others.set(now, [...(others.get(now) ?? []), { input: name, axis }]);
      }
    }
  }
  const first = rows[0];
  const count = first === undefined ? 0 : (call.find(({ name }) => name === first.input)?.shape[0] ?? 0);
  return [
    ...[...others].map(([size, axes]) => ({ axes, rows: false, size })),
    ...(count > 0 ? [{ axes: rows, rows: true, size: count }] : []),
  ];
}

/** The call with other sizes; undefined if it would be too large. */
function resized(call: readonly Tensor[], sizes: ReadonlyMap<FreeSize, number>): Tensor[] | undefined {
  const shapes = call.map(({ name, shape }) => {
    const own = [...shape];
    for (const [{ axes }, size] of sizes) for (const { input, axis } of axes) if (input === name) own[axis] = size;
    return own;
  });
  const bytes = call.reduce((sum, { data, shape }, i) => {
    const elements = elementCount(shape);
    return sum + (elements === 0 ? 0 : (data.byteLength / elements) * elementCount(shapes[i] ?? []));
  }, 0);
  if (bytes > MAX_INPUT_BYTES) return undefined;
  return call.map((tensor, i) => tiled(tensor, shapes[i] ?? []));
}

/** A tensor of another shape whose elements repeat those of `tensor` along each axis. */
function tiled(tensor: Tensor, shape: readonly number[]): Tensor {
  if (shape.every((size, axis) => size === tensor.shape[axis])) return tensor;
  let { data } = tensor;
  let inner = elementCount(tensor.shape) === 0 ? 0 : data.byteLength / elementCount(tensor.shape);
  for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
    const from = tensor.shape[axis] ?? 1;
    const to = shape[axis] ?? 1;
    if (from !== to) {
      const outer = inner === 0 || from === 0 ? 0 : data.byteLength / (from * inner);
      const larger = new Uint8Array(outer * to * inner);
      for (let o = 0; o < outer; o += 1) {
        const part = larger.subarray(o * to * inner, (o + 1) * to * inner);
        let filled = Math.min(from, to) * inner;
        part.set(data.subarray(o * from * inner, o * from * inner + filled));
        for (; filled < part.length; filled *= 2) part.copyWithin(filled, 0, filled);
      }
      data = larger;
    }
    inner *= to;
  }
  return { ...tensor, shape, data };
}

/** Makes the peak of this process's memory count from now on. False where the system does not do that. */
function resetPeak(): boolean {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
    return peakBytes() > 0;
  } catch {
    return false;
  }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

function peakBytes(): number {
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}
