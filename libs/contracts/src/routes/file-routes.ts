import { deletedFileSchema, fileFieldsSchema, fileListQuerySchema, fileListSchema, fileSchema } from '../files/file.ts';
import { idParams, idempotencyHeaders } from './parameters.ts';
import { bytesSchema, contentOf, failures, json } from './responses.ts';
import type { Route } from './route.ts';

const tag = 'Files';
const params = idParams('file');
const NO_FILE = { 404: 'There is no such file.', 503: true } as const;

/** Routes of datasets and results. */
export const FILE_ROUTES: readonly Route[] = [
  {
    method: 'post',
    path: '/v1/files',
    operationId: 'uploadFile',
    tag,
    summary: 'Upload a file',
    description: 'The file is streamed into the store, whatever its size.',
    access: 'batch',
    headers: idempotencyHeaders,
    body: {
      required: true,
      content: { 'multipart/form-data': { schema: fileFieldsSchema.extend({ file: bytesSchema }) } },
    },
    responses: {
      200: json('The file', fileSchema),
      ...failures({
        400: 'The form is wrong; `param` names the field.',
        413: true,
        415: true,
        422: 'The Idempotency-Key was used with another file, or its file was removed.',
        503: true,
      }),
    },
  },
  {
    method: 'get',
    path: '/v1/files',
    operationId: 'listFiles',
    tag,
    summary: 'List files',
    access: 'batch',
    query: fileListQuerySchema,
    responses: {
      200: json('A page of files', fileListSchema),
      ...failures({ 400: true, 404: 'There is no file `after`.', 503: true }),
    },
  },
  {
    method: 'get',
    path: '/v1/files/{id}',
    operationId: 'getFile',
    tag,
    summary: 'Get a file',
    access: 'batch',
    params,
    responses: { 200: json('The file', fileSchema), ...failures(NO_FILE) },
  },
  {
    method: 'get',
    path: '/v1/files/{id}/content',
    operationId: 'downloadFile',
    tag,
    summary: 'Get the bytes of a file',
    access: 'batch',
    params,
    responses: {
      200: contentOf('*/*', 'The bytes, with the media type of the file', {
        'Content-Disposition': 'The name of the file.',
      }),
      ...failures({ ...NO_FILE, 404: 'There is no such file, or its bytes are gone.' }),
    },
  },
  {
    method: 'delete',
    path: '/v1/files/{id}',
    operationId: 'deleteFile',
    tag,
    summary: 'Remove a file',
    description: 'A batch that still reads it fails.',
    access: 'batch',
    params,
    responses: { 200: json('It is removed', deletedFileSchema), ...failures({ ...NO_FILE, 413: true, 415: true }) },
  },
];
