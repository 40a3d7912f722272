import { SconceError } from '@sconce/errors';
import type { Tensor } from '@sconce/tensor';
import {
  noBatchAxis,
  type BatchFinding,
  type BatchHints,
  type FixedRows,
  type ProvableModel,
} from './batch-finding.ts';
import { distinguishesRows } from './compare-rows.ts';
import { probeRows, probeShapes, type ProbeShape } from './probe-inputs.ts';
import { ProbeRuns } from './probe-runs.ts';
import { PROBE_SEED, proveDynamic, proveLocked, type IndependenceProbe } from './row-independence.ts';

/** Longest search for inputs on which the model runs. */
const MAX_SEARCH_MS = 30_000;
/** Shapes that are tried after the first one whose outputs are all equal. */
const MAX_MORE_SHAPES = 6;
/** A larger size of axis 0 is not taken for a batch size that somebody traced with. */
const MAX_LOCKED_ROWS = 1024;

/**
 * Proves by running whether rows of axis 0 are independent: seeded rows must give the same results alone, in groups and in another
 * order. `dynamic`: any number of rows may share a run. `locked`: only one number of rows runs. `none`: all other models; it is always
 * safe.
 *
 * @throws SconceError `model_invalid` if no inputs are found on which the model runs.
 */
export async function proveBatchAxis(model: ProvableModel, hints: BatchHints = {}): Promise<BatchFinding> {
  return new BatchProof(model, hints).find();
}

class BatchProof {
  readonly #model: ProvableModel;
  readonly #hints: BatchHints;
  /** Remembers why the likeliest inputs failed. */
  readonly #runs: ProbeRuns;
  readonly #deadlineMs = performance.now() + MAX_SEARCH_MS;
  /** The first inputs on which the model ran, whatever the outputs were. */
  #ran: readonly Tensor[] | undefined;
  /** Whether the model ran and gave another number of rows than it got. */
  #changedRows = false;

  constructor(model: ProvableModel, hints: BatchHints) {
    this.#model = model;
    this.#hints = hints;
    this.#runs = new ProbeRuns(model);
  }

  async find(): Promise<BatchFinding> {
    const { inputs } = this.#model.signature;
    if (inputs.length === 0) return noBatchAxis('the model has no inputs', []);
    const given = this.#hints.examples?.call;
    if (given !== undefined && (await this.#runs.attempt(given)) !== undefined) this.#ran = given;
    let refusal = 'no input has a free axis 0';
    for (const rowInputs of this.#rowInputSets()) {
      const free = inputs.filter(({ name }) => rowInputs.has(name)).every(({ shape }) => shape[0] === -1);
      const shape = free ? await this.#search(rowInputs, 3) : undefined;
      if (shape !== undefined) return proveDynamic(this.#probe(shape));
      refusal = this.#whyNotDynamic(rowInputs);
      // If other numbers of rows run and give something else, axis 0 is not a batch axis.
      const locked = !this.#changedRows || !free ? await this.#findLocked(rowInputs, refusal) : undefined;
      if (locked !== undefined) return locked;
    }
    // A model without a batch axis must have run as well, whatever its outputs are.
    if (this.#ran === undefined) await this.#search(new Set(), 1);
    if (this.#ran === undefined) throw this.#neverRan();
    return noBatchAxis(refusal, this.#ran);
  }

  #probe(shape: ProbeShape): IndependenceProbe {
    return { signature: this.#model.signature, runs: this.#runs, shape, mixing: this.#hints.mixing };
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

  /** Finds inputs of `rows` rows on which the model runs and gives as many rows. */
  async #search(rowInputs: ReadonlySet<string>, rows: number): Promise<ProbeShape | undefined> {
    const { signature } = this.#model;
    let withEqualRows: ProbeShape | undefined;
    let moreShapes = MAX_MORE_SHAPES;
    this.#runs.forgetFailure();
    for (const shape of probeShapes(signature, rowInputs, this.#hints.examples ?? {})) {
      if (performance.now() > this.#deadlineMs || (withEqualRows !== undefined && moreShapes-- === 0)) break;
      const inputs = probeRows(signature, shape, rows, PROBE_SEED);
      const outputs = await this.#runs.attempt(inputs);
      if (outputs === undefined) continue;
      this.#ran ??= inputs;
      if (rowInputs.size === 0) return shape;
      if (!outputs.every((output) => output.shape[0] === rows)) {
        this.#changedRows = true;
        continue;
      }
      if (rows === 1 || distinguishesRows(outputs, rows)) return shape;
      withEqualRows ??= shape;
    }
    return withEqualRows;
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
      const { size } = candidate;
      if (seen.has(size) || size > MAX_LOCKED_ROWS) continue;
      seen.add(size);
      const shape = await this.#search(rowInputs, size);
      if (shape === undefined) continue;
      this.#ran ??= probeRows(this.#model.signature, shape, size, PROBE_SEED);
      const reason = declared.length > 0 ? `the model declares axis 0 as ${size}` : why;
      return proveLocked(this.#probe(shape), candidate, reason);
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

  #whyNotDynamic(rowInputs: ReadonlySet<string>): string {
    const fixed = this.#model.signature.inputs.find(({ name, shape }) => rowInputs.has(name) && shape[0] !== -1);
    if (fixed !== undefined) return `axis 0 of "${fixed.name}" is fixed at ${fixed.shape[0]}`;
    if (this.#changedRows) return 'no output has as many rows as the inputs';
    return `other numbers of rows do not run: ${this.#runs.failure}`;
  }

  #neverRan(): SconceError {
    const { inputs } = this.#model.signature;
    return new SconceError(
      'model_invalid',
      `no inputs were found on which the model runs (the last try ended with: ${this.#runs.failure}): push it with --cases, ` +
        `or say the sizes of ${inputs.map(({ name }) => `"${name}"`).join(', ')} in the config's "input"`,
      { details: { inputs: inputs.map(({ name }) => name) } },
    );
  }
}
