import type { RouteExample } from './route.ts';

/** One handwritten seven: the first row of `examples/digits/heldout.csv`. */
const PIXELS = [
  [0, 0, 7, 8, 13, 16, 15, 1],
  [0, 0, 7, 7, 4, 11, 12, 0],
  [0, 0, 0, 0, 8, 13, 1, 0],
  [0, 4, 8, 8, 15, 15, 6, 0],
  [0, 2, 11, 15, 15, 4, 0, 0],
  [0, 0, 0, 16, 5, 0, 0, 0],
  [0, 0, 9, 15, 1, 0, 0, 0],
  [0, 0, 13, 5, 0, 0, 0, 0],
].flat();

const inputs = [{ name: 'pixels', datatype: 'FP32', shape: [1, 64], data: PIXELS }];

/** Infer requests for the demo model. */
export const INFER_EXAMPLES: Readonly<Record<string, RouteExample>> = {
  one_row: { summary: 'One row', value: { inputs } },
  best_classes: {
    summary: 'The three best classes, within 5 seconds',
    value: {
      id: 'seven',
      inputs,
      parameters: { timeout: 5_000_000 },
      outputs: [{ name: 'logits', parameters: { classification: 3 } }],
    },
  },
};

/** Jobs for the demo model. */
export const JOB_EXAMPLES: Readonly<Record<string, RouteExample>> = {
  one_row: { summary: 'One row', value: { model: 'digits', inputs } },
  version: { summary: 'One row, for a version', value: { model: 'digits', version: '1', inputs } },
};

/** A table of one row. Its columns are found by the name of the input. */
export const CSV_EXAMPLE: RouteExample = {
  summary: 'A table of one row',
  value: `${PIXELS.map((_, index) => `pixels_${index}`).join(',')}\n${PIXELS.join(',')}\n`,
};
