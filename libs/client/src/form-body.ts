/** Bytes of a file: in memory, on disk (a browser's `File` is a Blob), or a stream. */
export type FileBody = Uint8Array<ArrayBuffer> | Blob | ReadableStream<Uint8Array>;

/** Fields of a form, and the name of its file. */
export interface FormFile {
  readonly fields: Readonly<Record<string, string>>;
  readonly filename: string;
  /** Called with the number of bytes of the file that the connection has taken so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

const CHUNK_BYTES = 256 * 1024;

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
  const boundary = `sconce-${crypto.randomUUID()}`;
  const text = new TextEncoder();
  const pieces = async function* (): AsyncGenerator<Uint8Array> {
    for (const [name, value] of Object.entries(fields)) {
      yield text.encode(`--${boundary}\r\nContent-Disposition: form-data; name="${escape(name)}"\r\n\r\n${value}\r\n`);
    }
    yield text.encode(
      `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${escape(filename)}"\r\nContent-Type: application/octet-stream\r\n\r\n`,
    );
    let sent = 0;
    for await (const chunk of chunksOf(file)) {
      sent += chunk.byteLength;
      yield chunk;
      onProgress?.(sent);
    }
    yield text.encode(`\r\n--${boundary}--\r\n`);
  };
  return { body: streamOf(pieces()), headers: { 'content-type': `multipart/form-data; boundary=${boundary}` } };
}

async function* chunksOf(file: FileBody): AsyncGenerator<Uint8Array> {
  if (file instanceof Uint8Array) {
    for (let at = 0; at < file.byteLength; at += CHUNK_BYTES) yield file.subarray(at, at + CHUNK_BYTES);
    return;
  }
  const reader = (file instanceof Blob ? file.stream() : file).getReader();
  for (;;) {
    const step = await reader.read();
    if (step.done) return;
    yield step.value;
  }
}

// Not `ReadableStream.from`, because some browsers lack it.
function streamOf(pieces: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const step = await pieces.next();
      if (step.done === true) controller.close();
      else controller.enqueue(step.value);
    },
    async cancel() {
      await pieces.return(undefined);
    },
  });
}

/** A name, escaped for use in quotes. */
function escape(name: string): string {
  return name.replaceAll('"', '%22').replace(/[\r\n]/g, ' ');
}
