import type { ModelSignature, Tensor } from '@sconce/tensor';
import { noBatchAxis, type BatchFinding, type FixedRows } from './batch-finding.ts';
import { distinguishesRows } from './compare-rows.ts';
import { pickRows, probeRows, type ProbeShape } from './probe-inputs.ts';
import type { ProbeRuns } from './probe-runs.ts';
import { compareRowGroup, joinRows, pickRow, type RowGroup } from './row-groups.ts';
import { perturbed } from './seeded-tensors.ts';

/** The seed of every probe. */
export const PROBE_SEED = 1;

/** Rows that are run alone. */
const ALONE = 5;
/** The groups in which they are run then: prefixes, a middle, a reversed order. */
const ROW_GROUPS: readonly (readonly number[])[] = [
  [0, 1],
  [2, 3, 4],
  [4, 3, 2, 1, 0],
  [0, 1, 2, 3, 4, 5, 6],
];
/** One more group that is larger than any small table, if it does not take longer than the limit. */
const LARGE_GROUP = 33;
const MAX_LARGE_GROUP_MS = 2_000;
/** A deviation is rounding if it is at most so many times the effect of a change of the input's last digits. */
const NOISE_FACTOR = 8;
/** A deviation above this share of the output's magnitude is never rounding. */
const MAX_NOISE = 0.02;

/** The model and the inputs of a proof. */
export interface IndependenceProbe {
  readonly signature: ModelSignature;
  readonly runs: ProbeRuns;
  /** Inputs on which the model runs. */
  readonly shape: ProbeShape;
  /** Why rows may influence each other in a way that probes may not show. */
  readonly mixing: string | undefined;
}

/** Proves that any number of rows may share a run: rows alone, in groups and in another order give the same results. */
export async function proveDynamic({ signature, runs, shape, mixing }: IndependenceProbe): Promise<BatchFinding> {
  const pool = probeRows(signature, shape, LARGE_GROUP, PROBE_SEED);
  const call = pickRows(pool, shape, [0, 1, 2]);
  const none = (evidence: string): BatchFinding => noBatchAxis(evidence, call);
  if (mixing !== undefined) return none(mixing);

  const alone: (readonly Tensor[])[] = [];
  for (let row = 0; row < ALONE; row++) {
    const outputs = await runs.attempt(pickRows(pool, shape, [row]));
    if (outputs === undefined) return none(`3 rows run, but 1 does not: ${runs.failure}`);
    const wrong = outputs.find((output) => output.shape[0] !== 1);
    if (wrong !== undefined) return none(`1 row gave "${wrong.name}" ${sizes(wrong)}: its axis 0 is not the rows`);
    alone.push(outputs);
  }
  runs.forgetFailure();
  const first: RowGroup = { inputs: pickRows(pool, shape, [0]), rows: [0] };
  const again = await runs.attempt(first.inputs);
  if (again === undefined || compareRowGroup(again, first.rows, alone).beyond !== undefined) {
    return none('the same row run twice gives different results: the model is random');
  }

  let worst = 0;
  const tried = [1];
  const groups = [...ROW_GROUPS];
  const perRowMs = await runs.timeOf(first.inputs);
  if (perRowMs * LARGE_GROUP <= MAX_LARGE_GROUP_MS) groups.push(firstRows(LARGE_GROUP));
  for (const rows of groups) {
    const outputs = await runs.attempt(pickRows(pool, shape, rows));
    if (outputs === undefined) return none(`${rows.length} rows do not run: ${runs.failure}`);
    const wrong = outputs.find((output) => output.shape[0] !== rows.length);
    if (wrong !== undefined) {
      return none(`${rows.length} rows gave "${wrong.name}" ${sizes(wrong)}: its axis 0 is not the rows`);
    }
    const compared = compareRowGroup(outputs, rows, alone);
    const { beyond } = compared;
    if (beyond !== undefined && !(await isNoise(runs, { deviation: beyond.deviation, reference: first, alone }))) {
      return none(
        `row ${beyond.row} of "${beyond.name}" in a group of ${rows.length} differs from the same row alone by ` +
          `${beyond.deviation.toExponential(1)} of the output's magnitude: rows influence each other`,
      );
    }
    worst = Math.max(worst, compared.worst);
    if (!tried.includes(rows.length)) tried.push(rows.length);
  }
  if (!distinguishesRows(joinRows(alone), ALONE)) {
    return none('the outputs of all seeded rows are equal or NaN: they do not show whether rows influence each other');
  }
  return {
    axis: 'dynamic',
    evidence:
      `rows run alone, in groups (${tried.slice(1).join(', ')}) and in another order agree: ` +
      `largest deviation ${worst.toExponential(1)} of the output's magnitude`,
    inputs: [...shape.rowInputs],
    sizes: tried.sort((a, b) => a - b),
    maxDeviation: worst,
    call,
  };
}

/** Proves that the rows of a model which runs with one number of rows only do not influence each other. */
export async function proveLocked(
  { signature, runs, shape, mixing }: IndependenceProbe,
  { size, source }: FixedRows,
  why: string,
): Promise<BatchFinding> {
  const pool = probeRows(signature, shape, 2 * size, PROBE_SEED);
  const numbers = firstRows(size);
  const call = pickRows(pool, shape, numbers);
  const none = (evidence: string): BatchFinding => noBatchAxis(evidence, call);
  if (size > 1 && mixing !== undefined) return none(mixing);
  // One row alone influences no other, but data may decide how many rows come out of it.
  const open = mixing === undefined ? undefined : openOutput(signature, shape);
  if (open !== undefined) return none(`axis 0 of "${open}" may depend on the data of the row: ${mixing}`);
  const reference = await runs.attempt(call);
  if (reference === undefined) return none(runs.failure);
  const alone = numbers.map((row) => reference.map((output) => pickRow(output, row)));
  // The second half of the pool, without its last row.
  const others = firstRows(size - 1).map((row) => size + row);
  // In reversed order, and the first and the last row among other rows.
  const groups = size === 1 ? [[0]] : [numbers.toReversed(), [0, ...others], [...others, size - 1]];
  let worst = 0;
  for (const rows of groups) {
    const outputs = await runs.attempt(pickRows(pool, shape, rows));
    if (outputs === undefined) return none(`only some rows run: ${runs.failure}`);
    const compared = compareRowGroup(outputs, rows, alone);
    const { beyond } = compared;
    const group = { inputs: call, rows: numbers };
    if (beyond !== undefined && !(await isNoise(runs, { deviation: beyond.deviation, reference: group, alone }))) {
      return none(
        `the model takes ${size} rows only, and row ${beyond.row} of "${beyond.name}" changes by ` +
          `${beyond.deviation.toExponential(1)} of the output's magnitude in another group: rows influence each other`,
      );
    }
    worst = Math.max(worst, compared.worst);
  }
  return {
    axis: 'locked',
    size,
    evidence: `only ${size} ${size === 1 ? 'row runs' : 'rows run'} at a time (${why})${size === 1 ? '' : '; they do not influence each other'}`,
    inputs: [...shape.rowInputs],
    sizes: [size],
    maxDeviation: worst,
    source,
    call,
  };
}

/** Whether a deviation is rounding: a change of the last digits of `reference` changes its output about as much. */
async function isNoise(
  runs: ProbeRuns,
  given: {
    readonly deviation: number;
    readonly reference: RowGroup;
    readonly alone: readonly (readonly Tensor[])[];
  },
): Promise<boolean> {
  const { deviation, reference, alone } = given;
  if (deviation > MAX_NOISE) return false;
  const outputs = await runs.attempt(reference.inputs.map(perturbed));
  return outputs !== undefined && deviation <= NOISE_FACTOR * compareRowGroup(outputs, reference.rows, alone).worst;
}

const firstRows = (count: number): number[] => Array.from({ length: count }, (_, row) => row);
const sizes = ({ shape }: Tensor): string => `[${shape.join(',')}]`;

/** An output whose number of rows is free, although that of the inputs is fixed. */
function openOutput({ inputs, outputs }: ModelSignature, { rowInputs }: ProbeShape): string | undefined {
  const isFixed = inputs.every(({ name, shape }) => !rowInputs.has(name) || shape[0] !== -1);
  return isFixed ? outputs.find(({ shape }) => shape[0] === -1)?.name : undefined;
}
