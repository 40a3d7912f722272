import { SconceError } from '@sconce/errors';
import {
  MAX_MODEL_BYTES,
  decodeModel,
  externalLocations,
  isExternal,
  type OnnxGraph,
  type ValueInfo,
} from '@sconce/onnx';
import { byCount } from './inspect-archive.ts';
import type { OnnxFile } from './model-file.ts';

/** The content of an ONNX file. */
export interface OnnxInspection {
  readonly irVersion: number;
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** Operators with the number of nodes, most used first. Nodes in the bodies of If and Loop count too. */
  readonly operators: readonly (readonly [string, number])[];
  readonly nodes: number;
  readonly initializers: number;
  /** Bytes of the initializers in the file. */
  readonly weightBytes: number;
  /** Bytes of the initializers in other files. */
  readonly externalBytes: number;
  /** Those other files, in the folder of the model. */
  readonly externalFiles: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** Inspects an ONNX file. @throws SconceError `model_invalid` if it is not one. */
export async function inspectOnnx({ source }: OnnxFile): Promise<OnnxInspection> {
  if (source.size > MAX_MODEL_BYTES) {
    throw new SconceError(
      'model_invalid',
      `The file has ${source.size} bytes; an ONNX file has at most ${MAX_MODEL_BYTES}.`,
    );
  }
  const model = decodeModel(await source.read(0, source.size));
  const { graph, irVersion, opsets, producer, metadata } = model;
  const operators = new Map<string, number>();
  countOperators(graph, operators);
  const initial = new Set(graph.initializers.map(({ name }) => name));
  let [weightBytes, externalBytes] = [0, 0];
  for (const { data } of graph.initializers) {
    if (isExternal(data)) externalBytes += data.length;
    else if (data instanceof Uint8Array) weightBytes += data.byteLength;
  }
  return {
    irVersion,
    opsets,
    producer,
    // Before IR version 4 every initializer is also listed as an input.
    inputs: graph.inputs.filter(({ name }) => !initial.has(name)),
    outputs: graph.outputs,
    operators: byCount(operators),
    nodes: graph.nodes.length,
    initializers: graph.initializers.length,
    weightBytes,
    externalBytes,
    externalFiles: externalLocations(model),
    metadata,
  };
}

function countOperators(graph: OnnxGraph, counts: Map<string, number>): void {
  for (const { opType, domain, attributes } of graph.nodes) {
    const name = domain === '' ? opType : `${domain}.${opType}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    for (const attribute of Object.values(attributes)) {
      if ('graph' in attribute) countOperators(attribute.graph, counts);
    }
  }
}
