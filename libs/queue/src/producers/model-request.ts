import type { BatchAxis, TraceContext } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import { checkInputs, checkTensor, type ModelSignature, type Tensor } from '@sconce/tensor';
import type { InferenceRequest } from './inference-request.ts';

const MAX_PRIORITY = 255;

/** The part of a model's batch axis that requests are checked against. */
export interface RequestBatch {
  readonly axis: BatchAxis;
  /** Inputs whose axis 0 is the rows. Default: all. */
  readonly inputs?: readonly string[] | undefined;
}

/** A served model, as far as requests are checked against it. Manifests of the model repository have these fields. */
export interface RequestableModel {
  readonly name: string;
  readonly version: string;
  readonly pool: string;
  readonly signature: ModelSignature;
  readonly batch?: RequestBatch | undefined;
}

/** One call of a model. */
export interface ModelRequest {
  /** By name, in any order. */
  readonly inputs: readonly Tensor[];
  /** Names of the outputs to return, in order. Default: all. */
  readonly outputs?: readonly string[];
  /** 1 (first) to 255. Requests without one are in between. */
  readonly priority?: number;
  readonly trace?: TraceContext;
}

/**
 * Checks a request against the model's signature, as the API checks requests over HTTP, for `InferenceProducer`.
 * @throws SconceError `invalid_tensor`, `invalid_request`, with the input or field as `details.param`.
 */
export function requestFor(model: RequestableModel, request: ModelRequest): InferenceRequest {
  const { name, version, pool, signature, batch } = model;
  for (const input of request.inputs) checkTensor(input);
  checkInputs(request.inputs, signature.inputs);
  checkRowsAgree(request.inputs, batch);
  const outputs = request.outputs ?? signature.outputs.map((output) => output.name);
  const unknown = outputs.find((output) => !signature.outputs.some((own) => own.name === output));
  if (unknown !== undefined) {
    throw new SconceError('invalid_request', `Model "${name}" has no output "${unknown}".`, {
      details: { param: unknown },
    });
  }
  const byName = new Map(request.inputs.map((input) => [input.name, input]));
  return {
    model: name,
    version,
    pool,
    inputs: signature.inputs.flatMap((input) => byName.get(input.name) ?? []),
    outputs,
    ...priorityOf(request.priority),
    trace: request.trace,
  };
}

/** Checks that all inputs with rows have the same number of rows (axis 0). @throws SconceError `invalid_tensor`. */
export function checkRowsAgree(inputs: readonly Tensor[], batch: RequestBatch | undefined): void {
  if (batch === undefined || batch.axis === 'none') return;
  const [first, ...rest] = inputs.filter(({ name }) => batch.inputs?.includes(name) ?? true);
  for (const input of rest) {
    if (input.shape[0] !== first?.shape[0]) {
      throw new SconceError(
        'invalid_tensor',
        `Input "${input.name}" has ${input.shape[0]} rows (axis 0), but input "${first?.name}" has ${first?.shape[0]}; they must be equal.`,
        { details: { param: input.name } },
      );
    }
  }
}

/** Reads the `priority` parameter of a request: 1 is first, 0 means none. @throws SconceError `invalid_request`. */
export function priorityOf(priority: unknown): { readonly priority?: number } {
  if (priority === undefined || priority === 0) return {};
  if (typeof priority !== 'number' || !Number.isInteger(priority) || priority < 0 || priority > MAX_PRIORITY) {
    throw new SconceError('invalid_request', `Parameter "priority" must be a whole number from 0 to ${MAX_PRIORITY}.`, {
      details: { param: 'priority' },
    });
  }
  return { priority };
}
