import { SconceError, toSconceError } from '@sconce/errors';
import {
  concatRows,
  decodeInferRequest,
  type DecodeBudget,
  type InferRequest,
  type ModelSignature,
  type Tensor,
} from '@sconce/tensor';
import { shown } from '../dataset-error.ts';
import { cellOf, type RowBlock } from '../row-block.ts';

/** Fields of a line of a request file, in the order of the blocks. */
export const REQUEST_COLUMNS = ['custom_id', 'method', 'url', 'body'] as const;

const MAX_CUSTOM_ID = 512;

/** One line of a file of requests: its request, or its error. */
export interface RequestLine {
  readonly customId: string | null;
  readonly request?: InferRequest;
  readonly problem?: SconceError;
}

/** Requests that can share a run: their inputs have the same shape except for the number of rows. */
export interface RequestGroup {
  /** The requests by their index in the block, with their rows of the tensors. */
  readonly members: readonly { readonly row: number; readonly start: number; readonly rows: number }[];
  readonly inputs: readonly Tensor[];
}

/** The facts about a model that reading requests needs. */
export interface RequestModel {
  readonly signature: ModelSignature;
  /** Inputs whose axis 0 has the rows. Empty if each request must run alone. */
  readonly rowInputs: ReadonlySet<string>;
  /** The expected `url` of each line. */
  readonly endpoint: string;
  /** The most that a request may have. */
  readonly budget?: DecodeBudget | undefined;
}

/** A line's `custom_id`, or why it is not valid. It is cheap, because validation reads all lines before the first run. */
export function readCustomId(value: unknown): { readonly customId: string } | { readonly problem: string } {
  if (typeof value !== 'string' || value === '') {
    return { problem: `custom_id is ${shown(value)}; expected a string that is unique in the file` };
  }
  if (value.length > MAX_CUSTOM_ID) return { problem: `custom_id is longer than ${MAX_CUSTOM_ID} characters` };
  return { customId: value };
}

/** The requests of a block's lines, checked against the model. */
export function readRequests(block: RowBlock, model: RequestModel): readonly RequestLine[] {
  return Array.from({ length: block.rows }, (_, row): RequestLine => {
    const broken = block.problems.get(row);
    const own = cellOf(block.cells, row, 0);
    const customId = typeof own === 'string' ? own : null;
    if (broken !== undefined) return { customId, problem: new SconceError('invalid_request', broken.message) };
    try {
      return { customId, request: readRequest(block, row, model) };
    } catch (error) {
      return { customId, problem: toSconceError(error, 'invalid_request') };
    }
  });
}

function readRequest({ cells }: RowBlock, row: number, model: RequestModel): InferRequest {
  const id = readCustomId(cellOf(cells, row, 0));
  if ('problem' in id) throw invalid('custom_id', id.problem);
  const method = cellOf(cells, row, 1);
  if (method !== 'POST') throw invalid('method', `method is ${shown(method)}; expected "POST"`);
  const url = cellOf(cells, row, 2);
  if (url !== model.endpoint)
    throw invalid('url', `url is ${shown(url)}; expected the batch's endpoint, ${model.endpoint}`);
  const body = cellOf(cells, row, 3);
  if (typeof body !== 'object' || body === null) throw invalid('body', `body is ${shown(body)}; expected a request`);
  const { signature, budget } = model;
  const request = decodeInferRequest({ body: Buffer.from(textOf(body)), signature, budget });
  const binary = request.outputs.find((output) => output.binary);
  if (binary !== undefined) {
    throw invalid('outputs', `output ${shown(binary.name)} is requested as binary; a line of JSON cannot contain it`);
  }
  checkRows(request, model);
  return request;
}

/** Groups requests by shape, in the order of the lines. If the model runs each request alone, each is a group of its own. */
export function groupRequests(lines: readonly RequestLine[], { rowInputs }: RequestModel): readonly RequestGroup[] {
  const groups = new Map<string, { row: number; request: InferRequest }[]>();
  for (const [row, { request }] of lines.entries()) {
    if (request === undefined) continue;
    const key = rowInputs.size === 0 ? String(row) : keyOf(request, rowInputs);
    const members = groups.get(key) ?? [];
    members.push({ row, request });
    groups.set(key, members);
  }
  return [...groups.values()].map((members) => {
    let start = 0;
    const first = members[0]?.request.inputs ?? [];
    const inputs = first.map((input, index) =>
      rowInputs.has(input.name) ? concatRows(members.map(({ request }) => request.inputs[index] ?? input)) : input,
    );
    return {
      inputs,
      members: members.map(({ row, request }) => {
        const rows = rowsOf(request, rowInputs);
        const own = { row, start, rows };
        start += rows;
        return own;
      }),
    };
  });
}

function rowsOf({ inputs }: InferRequest, rowInputs: ReadonlySet<string>): number {
  return inputs.find(({ name }) => rowInputs.has(name))?.shape[0] ?? 1;
}

function keyOf({ inputs }: InferRequest, rowInputs: ReadonlySet<string>): string {
  return inputs
    .map(({ name, shape, data }) =>
      rowInputs.has(name) ? shape.slice(1).join('x') : `${shape.join('x')}=${Buffer.from(data).toString('base64')}`,
    )
    .join(' ');
}

function checkRows({ inputs }: InferRequest, { rowInputs }: RequestModel): void {
  const [first, ...rest] = inputs.filter(({ name }) => rowInputs.has(name));
  if (first?.shape[0] === 0) throw invalid(first.name, `input ${shown(first.name)} has no rows; expected at least one`);
  const other = rest.find(({ shape }) => shape[0] !== first?.shape[0]);
  if (other === undefined) return;
  throw invalid(
    other.name,
    `input ${shown(other.name)} has ${other.shape[0]} rows (axis 0), but ${shown(first?.name)} has ${first?.shape[0]}; they must be equal`,
  );
}

/** The body as JSON text. It has integers beyond 2^53 as bigint. */
function textOf(body: object): string {
  try {
    return JSON.stringify(body, (_key, value: unknown) => (typeof value === 'bigint' ? rawJson(String(value)) : value));
  } catch (error) {
    if (error instanceof RangeError) throw invalid('body', 'body is nested too deeply to read');
    throw error;
  }
}

// Node has it; TypeScript's library does not declare it.
const rawJson = (JSON as unknown as { rawJSON: (text: string) => unknown }).rawJSON;

function invalid(param: string, message: string): SconceError {
  return new SconceError('invalid_request', message, { details: { param } });
}
