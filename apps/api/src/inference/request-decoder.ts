import { rowsForMemory, type EffectiveBudget, type RequestBudget } from '@sconce/contracts';
import { overBudget } from '@sconce/errors';
import type { ReadyManifest } from '@sconce/models';
import {
  bindInferHead,
  bindInferSteps,
  checkJsonValues,
  decodeInferRequest,
  decodeInferSteps,
  parseInferHead,
  parseInferSteps,
  runToEnd,
  type InferHead,
  type InferRequest,
} from '@sconce/tensor';
import { slices } from '../http/slices.ts';
import { bindMessageSteps } from '../grpc/codec/bind-message.ts';
import type { OnlineCall } from './inference-call.ts';
import { RequestBudgets } from './request-budgets.ts';

/** A larger body is read in steps. A body of this size takes about 1 ms at once, whatever is in it (measured). */
const LARGE_BYTES = 64 * 1024;

/**
 * Decodes requests within their budgets. A large body is decoded in slices, and gives a promise; a small one is decoded at once, because
 * a turn of the event loop would cost more.
 */
export class RequestDecoder {
  readonly #budgets: RequestBudgets;

  constructor(instance: RequestBudget) {
    this.#budgets = new RequestBudgets(instance);
  }

  /** Decodes a request to this model. @throws SconceError as `decodeInferRequest` does; `over_budget`, `payload_too_large`. */
  decode(call: OnlineCall, manifest: ReadyManifest): InferRequest | Promise<InferRequest> {
    const budget = this.#budgetOf(call, manifest);
    const { body, headerLength, message, reserve } = call;
    if (message !== undefined) {
      const steps = bindMessageSteps(message, { signature: manifest.signature, budget, reserve });
      return withinMemory(body.length <= LARGE_BYTES ? runToEnd(steps) : slices.run(steps), manifest, budget);
    }
    const request = { body, headerLength, signature: manifest.signature, budget, reserve };
    const decoded = body.length <= LARGE_BYTES ? decodeInferRequest(request) : slices.run(decodeInferSteps(request));
    return withinMemory(decoded, manifest, budget);
  }

  /** Reads a request whose body names the model, up to its tensors. */
  parseHead({ body, headerLength, keyBudget }: OnlineCall): InferHead | Promise<InferHead> {
    const budget = this.#budgets.of(undefined, keyBudget);
    if (body.length > LARGE_BYTES) return slices.run(parseInferSteps({ body, headerLength, budget }));
    checkJsonValues(body.subarray(0, headerLength), budget.json_values);
    return parseInferHead({ body, headerLength });
  }

  /** The second step for such a request. */
  bind(head: InferHead, call: OnlineCall, manifest: ReadyManifest): InferRequest | Promise<InferRequest> {
    const budget = this.#budgetOf(call, manifest);
    if (call.body.length > LARGE_BYTES) {
      const model = { signature: manifest.signature, budget, reserve: call.reserve };
      return withinMemory(slices.run(bindInferSteps(head, model)), manifest, budget);
    }
    checkJsonValues(call.body.subarray(0, call.headerLength), budget.json_values);
    return withinMemory(bindInferHead(head, manifest.signature, budget), manifest, budget);
  }

  /** The budget of the call. @throws SconceError `payload_too_large` if a model or key allows a smaller body than the instance. */
  #budgetOf({ body, keyBudget }: OnlineCall, { config }: ReadyManifest): EffectiveBudget {
    const budget = this.#budgets.of(config.budget, keyBudget);
    const { body_bytes: bytes } = budget;
    if (bytes !== undefined && body.length > bytes.limit) {
      throw overBudget({ ...bytes, field: 'body_bytes', value: body.length });
    }
    return budget;
  }
}

/** The request, if a run has memory for it. @throws SconceError `over_budget`. */
function withinMemory(
  decoded: InferRequest | Promise<InferRequest>,
  { performance, batch }: ReadyManifest,
  { run_memory_bytes: limit }: EffectiveBudget,
): InferRequest | Promise<InferRequest> {
  const need = performance?.run_memory;
  if (need === undefined || limit === undefined) return decoded;
  const check = (request: InferRequest): InferRequest => {
    rowsForMemory({ need, ...limit }, { axis: batch?.axis ?? 'none', inputs: request.inputs });
    return request;
  };
  return decoded instanceof Promise ? decoded.then(check) : check(decoded);
}
