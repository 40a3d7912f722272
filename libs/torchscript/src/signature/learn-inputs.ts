import { SconceError } from '@sconce/errors';

import type { ArgumentPlan, InputPlan, TensorInput } from './plan-inputs.ts';
import { modelError } from '../torchscript-error.ts';

/** Sizes that the model requires, by input and axis. */
export type LearnedSizes = ReadonlyMap<string, ReadonlyMap<number, number>>;

/** The plan with learned sizes put in. */
export function applySizes(plan: readonly ArgumentPlan[], sizes: LearnedSizes): ArgumentPlan[] {
  return mapTensors(plan, (name, input) => ({
    ...input,
    shape: input.shape.map((size, axis) => size ?? sizes.get(name)?.get(axis) ?? null),
  }));
}

/** The plan with each tensor replaced. */
function mapTensors(
  plan: readonly ArgumentPlan[],
  replace: (name: string, input: TensorInput) => TensorInput,
): ArgumentPlan[] {
  return plan.map((argument): ArgumentPlan => {
    switch (argument.kind) {
      case 'tensor':
        return { ...argument, ...replace(argument.name, argument) };
      case 'list':
      case 'tuple':
        return { ...argument, items: mapTensors(argument.items, replace) };
      case 'dict': {
        const items = mapTensors(
          argument.entries.map(([, item]) => item),
          replace,
        );
        return {
          ...argument,
          entries: argument.entries.flatMap(([key], i) => (items[i] === undefined ? [] : [[key, items[i]] as const])),
        };
      }
      default:
        return argument;
    }
  });
}

const RANKS = [2, 4, 3, 1, 5];
/** Names of inputs that usually hold whole numbers. */
const WHOLE = /(?:^|_)(?:ids?|idx|index|indices|tokens?|labels?|positions?|offsets?|lengths?|mask)$/i;

/** Ranks and dtypes to try for an input of this name, most likely first. */
function guessesFor(name: string): TensorInput[] {
  const dtypes = WHOLE.test(name) ? (['int64', 'float32'] as const) : (['float32', 'int64'] as const);
  return dtypes.flatMap((dtype) => RANKS.map((rank) => ({ dtype, shape: Array.from({ length: rank }, () => null) })));
}

/** Largest number of guesses for inputs of unknown type. */
const MAX_TRIALS = 300;

/**
 * Finds ranks and dtypes of inputs that neither the caller nor the archive describes, by guesses: it takes the first with which the
 * model executes. In most models the weights allow only one (a convolution fixes the rank, an embedding the dtype).
 *
 * @throws SconceError `model_invalid` if the model executes with none of the guesses. `details.inputs` holds the inputs' names.
 */
export function inferInputs(
  plan: InputPlan,
  attempt: (plan: readonly ArgumentPlan[]) => unknown,
): readonly ArgumentPlan[] {
  const names = plan.open.map(({ name }) => name);
  let first: unknown;
  const guesses = names.map(guessesFor);
  const count = 2 * RANKS.length;
  for (let trial = 0; trial < Math.min(MAX_TRIALS, count ** names.length); trial++) {
    const guessed = new Map(names.map((name, i) => [name, guesses[i]?.[Math.floor(trial / count ** i) % count]]));
    const candidate = mapTensors(plan.arguments, (name, input) => guessed.get(name) ?? input);
    try {
      attempt(candidate);
      return candidate;
    } catch (thrown) {
      if (!(thrown instanceof SconceError) || thrown.code !== 'model_invalid') throw thrown;
      if (isMissingOperator(thrown)) throw thrown;
      first ??= thrown;
    }
  }
  const hint = names.map((name) => `--input ${name}:float32[-1,…]`).join(' ');
  throw modelError(
    'execute',
    `the type and rank of ${names.join(', ')} cannot be found: give them (${hint}). With ${names.length === 1 ? 'a matrix' : 'matrices'}: ${first instanceof Error ? first.message : ''}`,
    { inputs: names },
  );
}

/** Whether an operator is not supported at all. Then every guess fails, so this error is reported. */
function isMissingOperator(error: SconceError): boolean {
  const unsupported = error.details['unsupported'];
  return (
    Array.isArray(unsupported) &&
    unsupported.some(
      (op: unknown) =>
        typeof op === 'object' && op !== null && 'reason' in op && op.reason === 'the operator is not supported',
    )
  );
}
