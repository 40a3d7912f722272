import { multipart, type Part } from './multipart.ts';

/** Bytes of a file: in memory, on disk (a browser's `File` is a Blob), or a stream. */
export type FileBody = Uint8Array<ArrayBuffer> | Blob | ReadableStream<Uint8Array>;

/** Fields of a form, and the name of its file. */
export interface FormFile {
  readonly fields: Readonly<Record<string, string>>;
  readonly filename: string;
  /** Called with the number of bytes of the file that the connection has taken so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/**
 * A form with fields and then a file. If the file is a Blob and `onProgress` is not given, this is the FormData of the platform, which
 * browsers can send without holding the file in memory. Otherwise the form is a stream.
 */
export function formBody(
  file: FileBody,
  { fields, filename, onProgress }: FormFile,
): { readonly body: FormData | ReadableStream<Uint8Array>; readonly headers: Record<string, string> } {
  if (file instanceof Blob && onProgress === undefined) {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.set(name, value);
    form.set('file', file, filename);
    return { body: form, headers: {} };
  }
  const parts: Part[] = Object.entries(fields).map(([name, content]) => ({ name, content }));
  const { body, contentType } = multipart([
    ...parts,
    { name: 'file', filename, type: 'application/octet-stream', content: file, onProgress },
  ]);
  return { body, headers: { 'content-type': contentType } };
}
