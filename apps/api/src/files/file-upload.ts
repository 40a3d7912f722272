import type { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { fileFieldsSchema } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import type { BatchProducer, FileRecord, NewFile } from '@sconce/queue';
import { discard, isMultipart, readParts, type FormPart } from '../http/multipart-parts.ts';

const MAX_FIELD_BYTES = 64 * 1024;
const MAX_FIELDS = 32;
const MAX_NAME_LENGTH = 255;

/** Stores the file of a multipart form, whose fields may stand before it or behind. @throws SconceError `invalid_request` naming the field. */
export async function receiveFile(request: FastifyRequest, producer: BatchProducer): Promise<FileRecord> {
  const contentType = request.headers['content-type'];
  const payload = request.body as Readable | undefined;
  if (payload === undefined || payload === null || !isMultipart(contentType)) {
    throw new SconceError(
      'invalid_request',
      'The body must be a multipart form with the fields "purpose" and "file".',
      {
        details: { param: 'file' },
      },
    );
  }
  const parts = readParts(payload, contentType);
  const fields = new Map<string, string>();
  try {
    const file = await nextFile(parts, fields);
    if (file === undefined) throw invalid('file', 'is missing: send the file as the part "file"');
    const describe = async (): Promise<NewFile> => {
      if ((await nextFile(parts, fields)) !== undefined) throw invalid('file', 'is there twice: send one file');
      return describeFile(file, fields);
    };
    return await producer.createFile(file.body, describe);
  } finally {
    await parts.return();
    // Not awaited: the answer need not wait for it.
    void discard(payload);
  }
}

/** A name without folders and of bounded length. */
export function fileName(name: string | undefined): string {
  // So browsers write what would end the name (WHATWG's form encoding).
  const base = (name ?? '').replaceAll('%22', '"').split(/[\\/]/).at(-1) ?? '';
  return base === '' ? 'file' : base.slice(-MAX_NAME_LENGTH);
}

/** The part "file"; fields on the way to it are noted. undefined at the end of the form. */
async function nextFile(
  parts: AsyncGenerator<FormPart, void>,
  fields: Map<string, string>,
): Promise<FormPart | undefined> {
  for (;;) {
    const step = await parts.next();
    if (step.done === true) return undefined;
    const part = step.value;
    if (part.name === 'file') return part;
    if (fields.size >= MAX_FIELDS) throw invalid(part.name, `is one field too many: a form may have ${MAX_FIELDS}`);
    fields.set(part.name, await textOf(part));
  }
}

async function textOf({ name, body }: FormPart): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > MAX_FIELD_BYTES) throw invalid(name, `is longer than ${MAX_FIELD_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function describeFile({ filename, contentType }: FormPart, fields: ReadonlyMap<string, string>): NewFile {
  const parsed = fileFieldsSchema.safeParse(Object.fromEntries(fields));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
    throw invalid(
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

function invalid(param: string, what: string): SconceError {
  return new SconceError('invalid_request', `Field "${param.slice(0, 64)}" ${what}.`, {
    details: { param: param.slice(0, 64) },
  });
}
