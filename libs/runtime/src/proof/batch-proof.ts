import type { BatchAxis } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import type { Datatype, Tensor, ModelSignature } from '@sconce/tensor';
import { isTelling, rowDeviation } from './compare-rows.ts';
import { pickRows, probeRows, probeShapes, type ProbeExamples, type ProbeShape } from './probe-inputs.ts';
import { perturbed } from './seeded-tensors.ts';

/** A model that can be run for proof. */
export interface ProvableModel {
  /** As the runtime gives it: -1 is a free axis. */
  readonly signature: ModelSignature;
  /** One session call; all outputs in the signature's order. @throws SconceError `inference_failed`. */
  run(inputs: readonly Tensor[]): Promise<readonly Tensor[]>;
}

/** A number of rows that the model's code may demand. */
export interface FixedRows {
  readonly size: number;
  /** The line that demands it. */
  readonly source?: string | undefined;
}

/** What is known of the model beforehand. */
export interface BatchHints {
  readonly examples?: ProbeExamples;
  /** Sizes that its graph or code may demand of axis 0, the likeliest first. */
  readonly fixedRows?: readonly FixedRows[];
  /** Sets of inputs that may carry the rows, the likeliest first; without it, all whose axis 0 is free. */
  readonly rowInputs?: readonly (readonly string[])[];
  /** Why rows may influence each other in ways that no probe is sure to see. */
  readonly mixing?: string | undefined;
}

/** What the proof found; `evidence` is for people. */
export interface BatchFinding {
  readonly axis: BatchAxis;
  /** Rows of a run, where `axis` is `locked`. */
  readonly size?: number;
  readonly evidence: string;
  /** Inputs that carry rows; none where `axis` is `none`. */
  readonly inputs: readonly string[];
  /** Numbers of rows that were run together. */
  readonly sizes: readonly number[];
  /** Largest difference of a row from itself in other company, relative to the output's magnitude. */
  readonly maxDeviation: number;
  /** The line that bakes the size in. */
  readonly source?: string;
  /** Inputs on which the model runs: `size` rows of a locked model, else some few. */
  readonly call: readonly Tensor[];
}

/** Rows that are run alone, and the companies they are then run in: prefixes, a middle, an order turned round. */
const ALONE = 5;
const COMPANIES: readonly (readonly number[])[] = [
  [0, 1],
  [2, 3, 4],
  [4, 3, 2, 1, 0],
  [0, 1, 2, 3, 4, 5, 6],
];
/** One company larger than any small table, where that takes no longer than this. */
const LARGE_COMPANY = 33;
const LARGE_COMPANY_MS = 2_000;
/** Rows in different company may differ by rounding: kernels sum in another order. Relative to the output's magnitude. */
const TOLERANCE: Partial<Record<Datatype, number>> = { FP16: 2e-2, FP32: 1e-4, FP64: 1e-9 };
/** A deviation of up to so many times what a change of the input's last digits does is rounding too. */
const NOISE_FACTOR = 8;
/** Beyond this share of the output's magnitude nothing passes for rounding. */
const MOST_NOISE = 0.02;
/** Search for inputs on which the model runs. */
const MAX_SEARCH_MS = 30_000;
/** A batch size larger than this is no batch size that somebody traced with. */
const MOST_LOCKED_ROWS = 1024;
const SEED = 1;

/**
 * Whether rows of axis 0 are independent, proved by running: seeded rows alone, in company and in another order must give the
 * same. `dynamic` is any number of rows; `locked` where only one number runs; `none`, which is always safe, for all else.
 *
 * @throws SconceError `model_invalid` where no inputs are found on which the model runs at all.
 */
export async function proveBatchAxis(model: ProvableModel, hints: BatchHints = {}): Promise<BatchFinding> {
  return new BatchProof(model, hints).find();
}

/** A shape on which the model ran, and with how many rows. */
interface Runs {
  readonly shape: ProbeShape;
  readonly rows: number;
  readonly keepsRows: boolean;
}

class BatchProof {
  readonly #model: ProvableModel;
  readonly #hints: BatchHints;
  readonly #deadlineMs = performance.now() + MAX_SEARCH_MS;
  /** The first inputs on which the model ran, whatever came out. */
  #ran: readonly Tensor[] | undefined;
  /** Whether it ran with three rows and gave another number. */
  #ranOtherwise = false;
  /** Of the likeliest inputs with another number of rows than the model takes; the last one otherwise. */
  #failed: SconceError | undefined;

  constructor(model: ProvableModel, hints: BatchHints) {
    this.#model = model;
    this.#hints = hints;
  }

  async find(): Promise<BatchFinding> {
    const { inputs } = this.#model.signature;
    if (inputs.length === 0) return this.#none('the model has no inputs', []);
    const given = this.#hints.examples?.call;
    if (given !== undefined && (await this.#attempt(given)) !== undefined) this.#ran = given;
    let refusal = 'no input has a free axis 0';
    for (const rowInputs of this.#rowInputSets()) {
      const free = inputs.filter(({ name }) => rowInputs.has(name)).every(({ shape }) => shape[0] === -1);
      const found = free ? await this.#search(rowInputs, 3) : undefined;
      if (found !== undefined) return this.#proveDynamic(found);
      refusal = this.#whyNot(rowInputs);
      // Where other numbers of rows run and give something else, axis 0 is no batch axis.
      const locked = !this.#ranOtherwise || !free ? await this.#findLocked(rowInputs, refusal) : undefined;
      if (locked !== undefined) return locked;
    }
    // Whatever the outputs are: that it runs has to be seen.
    if (this.#ran === undefined) await this.#search(new Set(), 1);
    if (this.#ran === undefined) throw this.#neverRan();
    return this.#none(refusal, this.#ran);
  }

  /** Sets of inputs that may carry the rows. */
  #rowInputSets(): ReadonlySet<string>[] {
    const { inputs } = this.#model.signature;
    const withAxis = inputs.filter(({ shape }) => shape.length > 0);
    const free = withAxis.filter(({ shape }) => shape[0] === -1);
    const sets = [
      ...(this.#hints.rowInputs ?? []),
      free.map(({ name }) => name),
      ...(free.length === 0 ? [...new Set(withAxis.map(({ shape }) => shape[0]))] : []).map((size) =>
        withAxis.filter(({ shape }) => shape[0] === size).map(({ name }) => name),
      ),
    ];
    const unique = new Map(sets.filter((set) => set.length > 0).map((set) => [set.join('\n'), new Set(set)]));
    return [...unique.values()];
  }

  /** Finds inputs of `rows` rows on which the model runs and keeps the rows. */
  async #search(rowInputs: ReadonlySet<string>, rows: number): Promise<Runs | undefined> {
    const { signature } = this.#model;
    let untelling: Runs | undefined;
    let patience = 6;
    this.#failed = undefined;
    for (const shape of probeShapes(signature, rowInputs, this.#hints.examples ?? {})) {
      if (performance.now() > this.#deadlineMs || (untelling !== undefined && patience-- === 0)) break;
      const inputs = probeRows(signature, shape, rows, SEED);
      const outputs = await this.#attempt(inputs);
      if (outputs === undefined) continue;
      this.#ran ??= inputs;
      if (rowInputs.size === 0) return { shape, rows, keepsRows: false };
      if (!outputs.every((output) => output.shape[0] === rows)) {
        this.#ranOtherwise = true;
        continue;
      }
      const found = { shape, rows, keepsRows: true };
      if (rows === 1 || isTelling(outputs, rows)) return found;
      untelling ??= found;
    }
    return untelling;
  }

  /** The outputs, or undefined where the model refuses these inputs. */
  async #attempt(inputs: readonly Tensor[]): Promise<readonly Tensor[] | undefined> {
    try {
      return await this.#model.run(inputs);
    } catch (error) {
      if (!(error instanceof SconceError) || error.code !== 'inference_failed') throw error;
      this.#failed ??= error;
      return undefined;
    }
  }

  async #proveDynamic({ shape }: Runs): Promise<BatchFinding> {
    const { signature } = this.#model;
    const pool = probeRows(signature, shape, LARGE_COMPANY, SEED);
    const call = pickRows(pool, shape, [0, 1, 2]);
    const none = (evidence: string): BatchFinding => this.#none(evidence, call);
    if (this.#hints.mixing !== undefined) return none(this.#hints.mixing);

    const alone: (readonly Tensor[])[] = [];
    for (let row = 0; row < ALONE; row++) {
      const outputs = await this.#attempt(pickRows(pool, shape, [row]));
      if (outputs === undefined) return none(`3 rows run, but 1 does not: ${this.#failure()}`);
      const wrong = outputs.find((output) => output.shape[0] !== 1);
      if (wrong !== undefined) return none(`1 row gave "${wrong.name}" ${sizes(wrong)}: its axis 0 is not the rows`);
      alone.push(outputs);
    }
    this.#failed = undefined;
    const again = await this.#attempt(pickRows(pool, shape, [0]));
    if (again === undefined || compareCompany(again, [0], alone).beyond !== undefined) {
      return none('the same row run twice gives different results: the model is random');
    }

    let worst = 0;
    const tried = [1];
    const companies = [...COMPANIES];
    const perRowMs = await this.#timeOf(pickRows(pool, shape, [0]));
    if (perRowMs * LARGE_COMPANY <= LARGE_COMPANY_MS)
      companies.push(Array.from({ length: LARGE_COMPANY }, (_, i) => i));
    for (const company of companies) {
      const outputs = await this.#attempt(pickRows(pool, shape, company));
      if (outputs === undefined) return none(`${company.length} rows do not run: ${this.#failure()}`);
      const wrong = outputs.find((output) => output.shape[0] !== company.length);
      if (wrong !== undefined) {
        return none(`${company.length} rows gave "${wrong.name}" ${sizes(wrong)}: its axis 0 is not the rows`);
      }
      const compared = compareCompany(outputs, company, alone);
      const { beyond } = compared;
      if (
        beyond !== undefined &&
        !(await this.#isNoise(beyond.deviation, { inputs: pickRows(pool, shape, [0]), rows: [0] }, alone))
      ) {
        return none(
          `row ${beyond.row} of "${beyond.name}" among ${company.length} differs from the same row alone by ` +
            `${beyond.deviation.toExponential(1)} of the output's magnitude: rows influence each other`,
        );
      }
      worst = Math.max(worst, compared.worst);
      if (!tried.includes(company.length)) tried.push(company.length);
    }
    if (!isTelling(joined(alone), ALONE))
      return none('no seeded rows were found whose outputs differ, so nothing tells');
    return {
      axis: 'dynamic',
      evidence:
        `rows run alone, in company (${tried.slice(1).join(', ')}) and in another order agree: ` +
        `largest deviation ${worst.toExponential(1)} of the output's magnitude`,
      inputs: [...shape.rowInputs],
      sizes: tried.sort((a, b) => a - b),
      maxDeviation: worst,
      call,
    };
  }

  async #findLocked(rowInputs: ReadonlySet<string>, why: string): Promise<BatchFinding | undefined> {
    const declared = this.#model.signature.inputs
      .filter(({ name }) => rowInputs.has(name))
      .flatMap(({ shape }) => shape.slice(0, 1))
      .filter((size) => size > 0);
    if (new Set(declared).size > 1) return undefined;
    const outputs = this.#model.signature.outputs.flatMap(({ shape }) => shape.slice(0, 1)).filter((size) => size > 0);
    const candidates: FixedRows[] =
      declared.length > 0
        ? declared.slice(0, 1).map((size) => ({ size }))
        : [...(this.#hints.fixedRows ?? []), ...this.#exampleRows(rowInputs), ...outputs.map((size) => ({ size }))];
    const seen = new Set<number>();
    for (const candidate of candidates) {
      if (seen.has(candidate.size) || candidate.size > MOST_LOCKED_ROWS) continue;
      seen.add(candidate.size);
      const found = await this.#search(rowInputs, candidate.size);
      if (found === undefined) continue;
      this.#ran ??= probeRows(this.#model.signature, found.shape, found.rows, SEED);
      const reason = declared.length > 0 ? `the model declares axis 0 as ${candidate.size}` : why;
      return this.#proveLocked(found, candidate, reason);
    }
    return undefined;
  }

  /** Numbers of rows that the examples have. */
  #exampleRows(rowInputs: ReadonlySet<string>): FixedRows[] {
    const { call, shapes } = this.#hints.examples ?? {};
    const sizes = [...rowInputs].flatMap((name) => [
      call?.find((input) => input.name === name)?.shape[0],
      shapes?.get(name)?.[0],
    ]);
    return sizes.flatMap((size) => (size === undefined || size < 1 ? [] : [{ size }]));
  }

  /** A model that only runs with so many rows: they must not influence each other either. */
  async #proveLocked({ shape, rows }: Runs, { source }: FixedRows, why: string): Promise<BatchFinding> {
    const { signature } = this.#model;
    const pool = probeRows(signature, shape, 2 * rows, SEED);
    const numbers = Array.from({ length: rows }, (_, i) => i);
    const call = pickRows(pool, shape, numbers);
    const none = (evidence: string): BatchFinding => this.#none(evidence, call);
    if (rows > 1 && this.#hints.mixing !== undefined) return none(this.#hints.mixing);
    const reference = await this.#attempt(call);
    if (reference === undefined) return none(this.#failure());
    const alone = numbers.map((row) => reference.map((output) => pickRow(output, row)));
    // Turned round, and each end among others.
    const companies = rows === 1 ? [[0]] : [numbers.toReversed(), [0, ...others(rows)], [...others(rows), rows - 1]];
    let worst = 0;
    for (const company of companies) {
      const outputs = await this.#attempt(pickRows(pool, shape, company));
      if (outputs === undefined) return none(`only some rows run: ${this.#failure()}`);
      const compared = compareCompany(outputs, company, alone);
      const { beyond } = compared;
      if (beyond !== undefined && !(await this.#isNoise(beyond.deviation, { inputs: call, rows: numbers }, alone))) {
        return none(
          `the model takes ${rows} rows only, and row ${beyond.row} of "${beyond.name}" changes by ` +
            `${beyond.deviation.toExponential(1)} of the output's magnitude in other company: rows influence each other`,
        );
      }
      worst = Math.max(worst, compared.worst);
    }
    return {
      axis: 'locked',
      size: rows,
      evidence: `only ${rows} ${rows === 1 ? 'row runs' : 'rows run'} at a time (${why})${rows === 1 ? '' : '; they do not influence each other'}`,
      inputs: [...shape.rowInputs],
      sizes: [rows],
      maxDeviation: worst,
      ...(source === undefined ? {} : { source }),
      call,
    };
  }

  /** Whether a change of the last digits of `reference` moves its output about as much: then a deviation is rounding. */
  async #isNoise(deviation: number, reference: Company, alone: readonly (readonly Tensor[])[]): Promise<boolean> {
    if (deviation > MOST_NOISE) return false;
    const outputs = await this.#attempt(reference.inputs.map(perturbed));
    return outputs !== undefined && deviation <= NOISE_FACTOR * compareCompany(outputs, reference.rows, alone).worst;
  }

  async #timeOf(inputs: readonly Tensor[]): Promise<number> {
    const startMs = performance.now();
    await this.#attempt(inputs);
    return performance.now() - startMs;
  }

  #none(evidence: string, call: readonly Tensor[]): BatchFinding {
    return { axis: 'none', evidence, inputs: [], sizes: [], maxDeviation: 0, call };
  }

  #whyNot(rowInputs: ReadonlySet<string>): string {
    const fixed = this.#model.signature.inputs.find(({ name, shape }) => rowInputs.has(name) && shape[0] !== -1);
    if (fixed !== undefined) return `axis 0 of "${fixed.name}" is fixed at ${fixed.shape[0]}`;
    if (this.#ranOtherwise) return 'no output has as many rows as the inputs';
    return `other numbers of rows do not run: ${this.#failure()}`;
  }

  #failure(): string {
    return this.#failed?.message ?? 'no reason is known';
  }

  #neverRan(): SconceError {
    const { inputs } = this.#model.signature;
    return new SconceError(
      'model_invalid',
      `no inputs were found on which the model runs (the last try ended with: ${this.#failure()}): push it with --cases, ` +
        `or say the sizes of ${inputs.map(({ name }) => `"${name}"`).join(', ')} in the config's "input"`,
      { details: { inputs: inputs.map(({ name }) => name) } },
    );
  }
}

/** A call, and which rows of the pool it holds. */
interface Company {
  readonly inputs: readonly Tensor[];
  readonly rows: readonly number[];
}

/** Rows of the second half of a pool of `2 * rows`, one fewer than `rows`. */
const others = (rows: number): number[] => Array.from({ length: rows - 1 }, (_, i) => rows + i);

interface Comparison {
  /** The largest deviation. */
  readonly worst: number;
  /** The row and output that are furthest beyond what is allowed. */
  readonly beyond?: { readonly row: number; readonly name: string; readonly deviation: number };
}

/** The rows of `company` in `outputs` against the same rows alone; those that were never run alone are passed over. */
function compareCompany(
  outputs: readonly Tensor[],
  company: readonly number[],
  alone: readonly (readonly Tensor[])[],
): Comparison {
  let found: Comparison = { worst: 0 };
  for (const [index, output] of outputs.entries()) {
    for (const [place, row] of company.entries()) {
      const expected = alone[row]?.[index];
      if (expected === undefined) continue;
      const deviation = rowDeviation(output, place, expected, 0);
      const worst = Math.max(found.worst, deviation);
      const isBeyond = deviation > tolerance(output) && deviation > (found.beyond?.deviation ?? 0);
      found = { ...found, worst, ...(isBeyond ? { beyond: { row, name: output.name, deviation } } : {}) };
    }
  }
  return found;
}

const tolerance = (output: Tensor | undefined): number => (output && TOLERANCE[output.datatype]) ?? 0;
const sizes = ({ shape }: Tensor): string => `[${shape.join(',')}]`;

function pickRow(output: Tensor, row: number): Tensor {
  return pickRows([output], { rowInputs: new Set([output.name]), shapes: [], range: { low: 0, high: 1, below: 1 } }, [
    row,
  ])[0] as Tensor;
}

/** One-row outputs of several calls as one call's. */
function joined(alone: readonly (readonly Tensor[])[]): Tensor[] {
  return (alone[0] ?? []).map((first, index) => ({
    ...first,
    shape: [alone.length, ...first.shape.slice(1)],
    data: new Uint8Array(Buffer.concat(alone.map((outputs) => outputs[index]?.data ?? new Uint8Array()))),
  }));
}
