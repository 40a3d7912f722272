import { openSync, closeSync, writeSync } from 'node:fs';
import { GraphBuilder, IR_VERSION, OPSET, encodeModelPieces, type OnnxModel } from '@sconce/onnx';

/** A multi-layer perceptron `x [rows, widths[0]] → y [rows, widths.at(-1)]` with seeded weights, as one ONNX file. */
export function writeLargeModel(path: string, widths: readonly number[]): void {
  const builder = new GraphBuilder();
  const free = (width: number): (string | number)[] => ['rows', width];
  const x = 'x';
  builder.input({ name: x, datatype: 'FLOAT', shape: free(widths[0] ?? 1) });
  let state = 1;
  let last = x;
  widths.slice(1).forEach((width, layer) => {
    const from = widths[layer] ?? 1;
    const values = new Float32Array(width * from);
    const scale = 2 / Math.sqrt(from);
    for (let i = 0; i < values.length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      values[i] = (state / 2 ** 31) * scale;
    }
    const weight = `weight_${layer}`;
    builder.initializer({ name: weight, datatype: 'FLOAT', dims: [width, from], data: new Uint8Array(values.buffer) });
    last = builder.node('Gemm', [last, weight], { attributes: { transB: { int: 1 } } });
    if (layer < widths.length - 2) last = builder.node('Relu', [last]);
  });
  const y = builder.uniqueName('y');
  builder.nodes('Identity', [last], { names: [y] });
  builder.output({ name: y, datatype: 'FLOAT', shape: free(widths.at(-1) ?? 1) });
  writeModel(path, builder);
}

/** Writes a graph that is complete as an ONNX file. */
export function writeModel(path: string, builder: GraphBuilder): void {
  const model: OnnxModel = {
    irVersion: IR_VERSION,
    opsets: { '': OPSET },
    producer: 'sconce-bench',
    graph: builder.build('bench'),
    metadata: {},
  };
  const file = openSync(path, 'w');
  try {
    for (const piece of encodeModelPieces(model).pieces) if (piece instanceof Uint8Array) writeSync(file, piece);
  } finally {
    closeSync(file);
  }
}
