import { SconceError } from '@sconce/errors';

import { MAX_MODEL_BYTES, inlineBytes } from './encode-model.ts';
import { mapTensors, tensorsOf } from './graph-tensors.ts';
import type { ExternalData, OnnxModel, OnnxTensor } from './model.ts';
import { onnxError } from './onnx-error.ts';

/** Tells whether a tensor's data is a range of another file. */
export function isExternal(data: OnnxTensor['data']): data is ExternalData {
  return 'location' in data;
}

/** The files that the tensors of a model refer to, each once, in order of first use. */
export function externalLocations(model: OnnxModel): string[] {
  const locations = new Set<string>();
  for (const { data } of tensorsOf(model.graph)) if (isExternal(data)) locations.add(data.location);
  return [...locations];
}

/** A copy of the model in which references to the file `from` refer to `to`, also in the bodies of If and Loop. */
export function withExternalLocation(model: OnnxModel, from: string, to: string): OnnxModel {
  const graph = mapTensors(model.graph, (tensor) =>
    isExternal(tensor.data) && tensor.data.location === from
      ? { ...tensor, data: { ...tensor.data, location: to } }
      : tensor,
  );
  return { ...model, graph };
}

/**
 * A copy of the model with the bytes of all external tensors inside it, so that it is one portable file. A range that
 * several tensors share is read once, and each of these tensors contains its bytes.
 *
 * All tensors of the result together may take `maxBytes`, and never more than a protobuf may (`MAX_MODEL_BYTES`).
 *
 * @throws SconceError `unsupported` if they take more, before anything is read; `model_invalid` if `read` returns
 * another number of bytes than asked for. Errors of `read` pass through.
 */
export async function embedExternalData(
  model: OnnxModel,
  read: (external: ExternalData) => Promise<Uint8Array>,
  maxBytes: number,
): Promise<OnnxModel> {
  let total = 0;
  const ranges = new Map<string, ExternalData>();
  for (const { data } of tensorsOf(model.graph)) {
    total += isExternal(data) ? data.length : inlineBytes(data);
    if (isExternal(data)) ranges.set(rangeKey(data), data);
  }
  const limit = Math.min(maxBytes, MAX_MODEL_BYTES);
  if (total > limit) {
    const why = limit === maxBytes ? `the limit is ${limit}` : 'one ONNX file has less than 2 GiB';
    throw new SconceError(
      'unsupported',
      `the model's tensors take ${total} bytes, and ${why}: keep the weights in a separate file beside the model`,
      { details: { bytes: total, maxBytes: limit } },
    );
  }

  const contents = new Map<string, Uint8Array>();
  for (const [key, external] of ranges) {
    const bytes = await read(external);
    if (bytes.byteLength !== external.length) {
      throw onnxError(
        `${external.location} has ${bytes.byteLength} of the ${external.length} bytes expected at offset ${external.offset}: the file does not belong to this model or is cut short; copy it again`,
      );
    }
    contents.set(key, bytes);
  }
  const graph = mapTensors(model.graph, (tensor) => {
    const bytes = isExternal(tensor.data) ? contents.get(rangeKey(tensor.data)) : undefined;
    return bytes === undefined ? tensor : { ...tensor, data: bytes };
  });
  return { ...model, graph };
}

function rangeKey({ location, offset, length }: ExternalData): string {
  return `${offset}:${length}:${location}`;
}
