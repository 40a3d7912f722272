import {
  BATCH_FORMATS,
  batchRequestSchema,
  tableSchema,
  type BatchRequest,
  type BatchRequestInput,
  type BatchSpec,
  type TableOptions,
} from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import type { z } from 'zod';

const ENDPOINT = /^\/v2\/models\/([^/]+)(?:\/versions\/([^/]+))?\/infer$/;
const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const TABLE_FIELDS = Object.keys(tableSchema.shape) as (keyof TableOptions)[];

/** A checked request for a batch: its model, its dataset, and how to read it. */
export interface ReadBatchRequest {
  readonly request: BatchRequest;
  readonly kind: BatchSpec['kind'];
  readonly model: string;
  readonly version: string | undefined;
  readonly endpoint: string;
  readonly table: TableOptions;
}

/** Checks a request for a batch. @throws SconceError `invalid_request` with the field as `details.param`. */
export function readBatchRequest(input: unknown): ReadBatchRequest {
  const parsed = batchRequestSchema.safeParse(input);
  if (!parsed.success) throw refusal(parsed.error);
  const request = parsed.data;
  const { endpoint, model, version } = request;
  const table = tableOf(request);
  if (model !== undefined) {
    if (endpoint !== undefined)
      throw invalid('endpoint', 'must not be given together with "model": a table needs only the model');
    const path = `/v2/models/${encodeURIComponent(model)}${version === undefined ? '' : `/versions/${encodeURIComponent(version)}`}/infer`;
    return { request, kind: 'table', model, version, endpoint: path, table };
  }
  if (endpoint === undefined) {
    throw invalid(
      'endpoint',
      'is missing: give "endpoint" for a file of request lines, or "model" and "format" for a table',
    );
  }
  const match = ENDPOINT.exec(endpoint);
  if (match?.[1] === undefined) {
    throw invalid(
      'endpoint',
      `is ${JSON.stringify(endpoint)}: expected /v2/models/{model}/infer or /v2/models/{model}/versions/{version}/infer`,
    );
  }
  const strange = TABLE_FIELDS.find((field) => table[field] !== undefined);
  if (strange !== undefined) throw invalid(strange, 'is for tables: give "model" instead of "endpoint"');
  if (version !== undefined)
    throw invalid('version', 'is part of "endpoint" for request lines: …/versions/{version}/infer');
  if (request.format !== undefined && request.format !== 'jsonl') throw invalid('format', 'of request lines is jsonl');
  return {
    request,
    kind: 'requests',
    model: decodeURIComponent(match[1]),
    version: match[2] === undefined ? undefined : decodeURIComponent(match[2]),
    endpoint,
    table: {},
  };
}

/** A completion window such as `24h`, in ms. */
export function windowMs(completionWindow: string): number {
  return Number(completionWindow.slice(0, -1)) * UNIT_MS[completionWindow.slice(-1) as keyof typeof UNIT_MS];
}

/** The format in the request, or by the extension of the dataset's name. @throws SconceError `invalid_request`. */
export function formatOf(request: BatchRequest, name: string): BatchSpec['format'] {
  if (request.format !== undefined) return request.format;
  const extension = /\.([A-Za-z0-9]+)(?:\.(?:gz|zst))?$/.exec(name)?.[1]?.toLowerCase() ?? '';
  const known = BY_EXTENSION[extension];
  if (known !== undefined) return known;
  throw invalid(
    'format',
    `is missing, and the name ${JSON.stringify(name)} has no known extension: give one of ${BATCH_FORMATS.join(', ')}`,
  );
}

const BY_EXTENSION: Readonly<Record<string, BatchSpec['format']>> = {
  csv: 'csv',
  tsv: 'csv',
  jsonl: 'jsonl',
  txt: 'csv',
  ndjson: 'jsonl',
  json: 'jsonl',
  parquet: 'parquet',
  arrow: 'arrow',
  arrows: 'arrow',
  ipc: 'arrow',
  feather: 'arrow',
  npy: 'npy',
};

function tableOf(request: BatchRequest): TableOptions {
  return Object.fromEntries(
    TABLE_FIELDS.flatMap((field) => (request[field] === undefined ? [] : [[field, request[field]]])),
  );
}

function refusal(error: z.ZodError<BatchRequestInput>): SconceError {
  const [issue] = error.issues;
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const path = [...(issue?.path ?? []), ...(unknown === undefined ? [] : [unknown])].map(String).join('.');
  return invalid(
    path === '' ? 'body' : path,
    unknown === undefined ? (issue?.message ?? 'is wrong') : 'is not a field of a batch',
  );
}

function invalid(param: string, what: string): SconceError {
  return new SconceError('invalid_request', `${param}: ${what}.`, { details: { param } });
}
