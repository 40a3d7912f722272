import {
  bindTensorSteps,
  byteLength,
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
  model: Pick<InferBody, 'signature' | 'budget' | 'reserve'>,
): Steps<InferRequest> {
  return bindTensorSteps(message.head, model, () => {
    model.reserve?.(typedBytes(message));
    return tensorsOf(message);
  });
}

/** Bytes of the tensors that are made of typed contents: raw contents are used as they are, and BYTES are as long as their contents. */
function typedBytes({ head, raw }: InferMessage): number {
  let bytes = 0;
  for (const [index, { name, datatype, shape }] of head.inputs.entries()) {
    if (raw[index] === undefined && datatype !== 'BYTES') bytes += byteLength(datatype, shape, name);
  }
  return bytes;
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
