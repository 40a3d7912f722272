import {
  bindTensorSteps,
  checkTensorSteps,
  type InferBody,
  type InferRequest,
  type Steps,
  type Tensor,
} from '@sconce/tensor';
import type { InferMessage } from './infer-message.ts';
import { readContents } from './typed-contents.ts';

/**
 * Compares a message with a signature and reads its tensors, in steps. Raw contents stay views of the message. Throws as `bindInferHead`
 * and `readContents` do.
 */
export function bindMessageSteps(
  message: InferMessage,
  model: Pick<InferBody, 'signature' | 'budget'>,
): Steps<InferRequest> {
  return bindTensorSteps(message.head, model, () => tensorsOf(message));
}

function* tensorsOf({ head, contents, raw }: InferMessage): Steps<Tensor[]> {
  const tensors: Tensor[] = [];
  for (const [index, { name, datatype, shape }] of head.inputs.entries()) {
    const data = raw[index];
    if (data === undefined) tensors.push(yield* readContents({ name, datatype, shape }, contents[index]));
    else {
      const tensor = { name, datatype, shape, data };
      yield* checkTensorSteps(tensor);
      tensors.push(tensor);
    }
  }
  return tensors;
}
