import type { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { fileFieldsSchema } from '@sconce/contracts';
import type { SconceError } from '@sconce/errors';
import type { BatchProducer, FileRecord, NewFile } from '@sconce/queue';
import { ownerOf } from '../access/install-access.ts';
import { collectBytes } from '../http/collect-bytes.ts';
import { invalidRequest } from '../http/invalid-request.ts';
import { uploadKeyOf } from '../http/upload-key.ts';
import { discard, isMultipart, readParts, type FormPart } from '../http/multipart-parts.ts';

const MAX_FIELD_BYTES = 64 * 1024;
const MAX_FIELDS = 32;
const MAX_NAME_LENGTH = 255;

/** Stores the file of a multipart form. Fields may come before or after the file. @throws SconceError `invalid_request` that names the field. */
export async function receiveFile(request: FastifyRequest, producer: BatchProducer): Promise<FileRecord> {
  const contentType = request.headers['content-type'];
  const payload = request.body as Readable | undefined;
  if (payload === undefined || payload === null || !isMultipart(contentType)) {
    throw invalidRequest('file', 'The body must be a multipart form with the fields "purpose" and "file".');
  }
  const idempotency = uploadKeyOf(request, 'file');
  const parts = readParts(payload, contentType);
  const fields = new Map<string, string>();
  try {
    const file = await nextFile(parts, fields);
    if (file === undefined) throw invalidField('file', 'is missing: send the file as the part "file"');
    const describe = async (): Promise<NewFile> => {
      if ((await nextFile(parts, fields)) !== undefined) throw invalidField('file', 'is there twice: send one file');
      return describeFile(file, fields);
    };
    return await producer.createFile(file.body, describe, { owner: ownerOf(request), idempotency });
  } finally {
    await parts.return();
    // Not awaited: the answer does not depend on it.
    void discard(payload);
  }
}

/** A name without folders and of bounded length. */
export function fileName(name: string | undefined): string {
  // Browsers write a quote in a name this way (WHATWG's form encoding).
  const base = (name ?? '').replaceAll('%22', '"').split(/[\\/]/).at(-1) ?? '';
  return base === '' ? 'file' : base.slice(-MAX_NAME_LENGTH);
}

/** The part "file", or undefined at the end of the form. Puts the fields before it into `fields`. */
async function nextFile(
  parts: AsyncGenerator<FormPart, void>,
  fields: Map<string, string>,
): Promise<FormPart | undefined> {
  for (;;) {
    const step = await parts.next();
    if (step.done === true) return undefined;
    const part = step.value;
    if (part.name === 'file') return part;
    if (fields.size >= MAX_FIELDS)
      throw invalidField(part.name, `is one field too many: a form may have ${MAX_FIELDS}`);
    fields.set(part.name, await textOf(part));
  }
}

async function textOf({ name, body }: FormPart): Promise<string> {
  const tooLarge = (): SconceError => invalidField(name, `is longer than ${MAX_FIELD_BYTES} bytes`);
  return (await collectBytes(body, { maxBytes: MAX_FIELD_BYTES, tooLarge })).toString('utf8');
}

function describeFile({ filename, contentType }: FormPart, fields: ReadonlyMap<string, string>): NewFile {
  const parsed = fileFieldsSchema.safeParse(Object.fromEntries(fields));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
    throw invalidField(
      unknown ?? issue?.path.join('.') ?? '',
      unknown === undefined ? (issue?.message ?? 'is wrong') : 'is not a field of the form',
    );
  }
  const seconds = parsed.data['expires_after[seconds]'];
  return {
    filename: fileName(filename),
    purpose: 'batch',
    mediaType: contentType?.slice(0, MAX_NAME_LENGTH),
    expiresAfterSeconds: seconds,
  };
}

function invalidField(param: string, what: string): SconceError {
  const shown = param.slice(0, 64);
  return invalidRequest(shown, `Field "${shown}" ${what}.`);
}
