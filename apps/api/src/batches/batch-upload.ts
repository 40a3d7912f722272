import type { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import type { BatchRequestInput } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import type { BatchProducer, FileRecord } from '@sconce/queue';
import { ownerOf } from '../access/install-access.ts';
import { fileName } from '../files/file-upload.ts';
import { SMALL_JSON, parseSmallJson } from '../http/bounded-json.ts';
import { collectBytes } from '../http/collect-bytes.ts';
import { invalidRequest } from '../http/invalid-request.ts';
import { discard, isMultipart, readParts, type FormPart } from '../http/multipart-parts.ts';

/** Query parameters whose values are JSON. */
const JSON_PARAMETERS = new Set(['inputs', 'outputs', 'csv', 'metadata', 'webhook', 'output_expires_after']);
const LIST_PARAMETERS = new Set(['pass_through']);
const NUMBER_PARAMETERS = new Set(['max_error_rate', 'priority', 'limit']);
const BOOLEAN_PARAMETERS = new Set(['allow_non_finite']);
const EXTENSIONS: Readonly<Record<string, string>> = {
  'text/csv': 'csv',
  'text/tab-separated-values': 'tsv',
  'application/jsonl': 'jsonl',
  'application/x-ndjson': 'jsonl',
  'application/vnd.apache.parquet': 'parquet',
  'application/vnd.apache.arrow.file': 'arrow',
  'application/vnd.apache.arrow.stream': 'arrow',
  'application/x-npy': 'npy',
};

/** A request for a batch: its JSON, and the text that must be the same when an idempotency key is used again. */
export interface ReceivedRequest {
  readonly request: unknown;
  readonly fingerprint: string;
  /** Query parameters that nothing uses. */
  readonly unusedQuery?: readonly string[];
  /** Id of the file that the dataset of the request became. */
  readonly stored?: string;
}

/**
 * Reads a request for a batch: JSON that names its dataset, or the dataset as the body with the request in the query, or a form of
 * "request" (JSON) and "file". A dataset in the body or form is stored as a file first, and the request then names that file.
 * @throws SconceError `invalid_request`, `payload_too_large`. A wrong request is refused before the dataset is read.
 */
export async function receiveBatch(request: FastifyRequest, producer: BatchProducer): Promise<ReceivedRequest> {
  const owner = ownerOf(request);
  const payload = request.body as Readable | undefined;
  if (payload === undefined || payload === null)
    throw invalidRequest('body', 'The body is empty: send a request for a batch.');
  const contentType = request.headers['content-type'] ?? '';
  const mediaType = contentType.split(';')[0]?.trim().toLowerCase() ?? '';
  try {
    if (mediaType === 'application/json') {
      // A body that is too large is not destroyed: its caller could not be answered.
      const bytes = await readBytes(payload.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>);
      const fingerprint = bytes.toString('utf8');
      return { request: parseSmallJson(bytes, 'body'), fingerprint, ...unusedQuery(request.query) };
    }
    if (isMultipart(contentType)) {
      const received = await receiveForm(payload, contentType, { producer, owner });
      return { ...received, ...unusedQuery(request.query) };
    }
    const asked = { ...charsetOf(contentType), ...readParameters(request.query), input_file_id: undefined };
    const extension = EXTENSIONS[mediaType];
    const named = readName(request.headers['content-disposition']) ?? `upload.${extension ?? 'bin'}`;
    await producer.check(asked as BatchRequestInput, owner);
    const file = await store(payload.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>, {
      producer,
      owner,
      filename: named,
      contentType: mediaType,
    });
    return { request: { ...asked, input_file_id: file.id }, fingerprint: JSON.stringify(asked), stored: file.id };
  } finally {
    // Not awaited: the answer does not depend on it.
    void discard(payload);
  }
}

/** The encoding of a text in the body. UTF-8 is what a body has without it. */
function charsetOf(contentType: string): { readonly encoding?: string } {
  const [, quoted, plain] = /;\s*charset\s*=\s*(?:"([^"]*)"|([^\s;]+))/i.exec(contentType) ?? [];
  const charset = quoted ?? plain;
  return charset === undefined || /^(utf-?8|us-ascii)$/i.test(charset) ? {} : { encoding: charset };
}

async function receiveForm(
  payload: Readable,
  contentType: string,
  { producer, owner }: Pick<StoredBody, 'producer' | 'owner'>,
): Promise<ReceivedRequest> {
  const parts = readParts(payload, contentType);
  try {
    const first = (await parts.next()).value as FormPart | undefined;
    if (first?.name !== 'request') throw invalidRequest('request', 'The form takes "request" (JSON) and then "file".');
    const bytes = await readBytes(first.body);
    const asked = parseSmallJson(bytes, 'request') as BatchRequestInput;
    await producer.check(asked, owner);
    const second = (await parts.next()).value as FormPart | undefined;
    if (second?.name !== 'file') throw invalidRequest('file', 'The form takes "request" (JSON) and then "file".');
    const file = await store(second.body, {
      producer,
      owner,
      filename: fileName(second.filename),
      contentType: second.contentType ?? 'application/octet-stream',
    });
    return { request: { ...asked, input_file_id: file.id }, fingerprint: bytes.toString('utf8'), stored: file.id };
  } finally {
    await parts.return();
  }
}

/** How a dataset in the body of a request is stored. */
interface StoredBody {
  readonly producer: BatchProducer;
  readonly owner: string | undefined;
  readonly filename: string;
  readonly contentType: string;
}

function store(
  body: AsyncIterable<Uint8Array>,
  { producer, owner, filename, contentType }: StoredBody,
): Promise<FileRecord> {
  const mediaType = contentType.slice(0, 255);
  return producer.createFile(body, () => ({ filename, purpose: 'batch', mediaType }), { owner });
}

/** The query parameters that are not used, because the request is in the body. */
function unusedQuery(query: unknown): { readonly unusedQuery?: readonly string[] } {
  const names = Object.keys(query as object).filter((name) => name !== 'dry_run');
  return names.length === 0 ? {} : { unusedQuery: names };
}

/** Whether the query asks for a dry run. @throws SconceError `invalid_request`. */
export function isDryRun(query: unknown): boolean {
  const { dry_run: asked = 'false' } = query as Record<string, string | string[]>;
  if (asked === 'true' || asked === 'false') return asked === 'true';
  throw invalidRequest('dry_run', 'dry_run takes true or false.');
}

/** The request in the query string, without `dry_run`. */
function readParameters(query: unknown): Record<string, unknown> {
  const { dry_run: _, ...parameters } = query as Record<string, string | string[]>;
  return Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => {
      const text = [value].flat().at(-1) ?? '';
      if (JSON_PARAMETERS.has(name)) return [name, parseSmallJson(Buffer.from(text), name)];
      if (LIST_PARAMETERS.has(name)) return [name, text.split(',')];
      if (NUMBER_PARAMETERS.has(name)) return [name, Number(text)];
      if (BOOLEAN_PARAMETERS.has(name)) return [name, text === 'true' ? true : text === 'false' ? false : text];
      return [name, text];
    }),
  );
}

function readName(disposition: string | undefined): string | undefined {
  const [, quoted, plain] = /filename\s*=\s*(?:"([^"]*)"|([^\s;]+))/i.exec(disposition ?? '') ?? [];
  const name = quoted ?? plain;
  return name === undefined ? undefined : fileName(name);
}

function readBytes(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const { maxBytes } = SMALL_JSON;
  const message = `The request is larger than ${maxBytes} bytes: upload the dataset as a file.`;
  const tooLarge = (): SconceError => new SconceError('payload_too_large', message);
  return collectBytes(body, { maxBytes, tooLarge });
}
