/** Content of a part: text, bytes in memory, bytes on disk (a browser's `File` is a Blob), or a stream. */
export type PartContent = string | Uint8Array | Blob | ReadableStream<Uint8Array>;

/** A part of a form. */
export interface Part {
  readonly name: string;
  /** The name of the file; absent for a field. */
  readonly filename?: string | undefined;
  readonly type?: string | undefined;
  readonly content: PartContent;
  /** Called with the number of bytes of the content that the connection has taken so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

const CHUNK_BYTES = 256 * 1024;

/** A form of these parts in order, as a stream: no content is held in memory beyond a chunk. */
export function multipart(parts: readonly Part[]): {
  readonly body: ReadableStream<Uint8Array>;
  readonly contentType: string;
} {
  const boundary = `sconce-${crypto.randomUUID()}`;
  return { body: streamOf(write(parts, boundary)), contentType: `multipart/form-data; boundary=${boundary}` };
}

/** The content in chunks, and the number of bytes so far after each chunk. */
export async function* chunksOf(
  content: PartContent,
  onProgress?: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of rawChunks(content)) {
    bytes += chunk.byteLength;
    yield chunk;
    onProgress?.(bytes);
  }
}

/** A stream of these pieces. Not `ReadableStream.from`, because some browsers lack it. */
export function streamOf(pieces: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
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

async function* write(parts: readonly Part[], boundary: string): AsyncGenerator<Uint8Array> {
  const text = new TextEncoder();
  for (const { name, filename, type, content, onProgress } of parts) {
    const file = filename === undefined ? '' : `; filename="${escape(filename)}"`;
    const typeLine = type === undefined ? '' : `Content-Type: ${type}\r\n`;
    yield text.encode(
      `--${boundary}\r\nContent-Disposition: form-data; name="${escape(name)}"${file}\r\n${typeLine}\r\n`,
    );
    yield* chunksOf(content, onProgress);
    yield text.encode('\r\n');
  }
  yield text.encode(`--${boundary}--\r\n`);
}

async function* rawChunks(content: PartContent): AsyncGenerator<Uint8Array> {
  if (typeof content === 'string') {
    yield new TextEncoder().encode(content);
    return;
  }
  if (content instanceof Uint8Array) {
    for (let at = 0; at < content.byteLength; at += CHUNK_BYTES) yield content.subarray(at, at + CHUNK_BYTES);
    return;
  }
  const reader = (content instanceof Blob ? content.stream() : content).getReader();
  let isDone = false;
  try {
    for (;;) {
      const step = await reader.read();
      isDone = step.done;
      if (step.done) return;
      yield step.value;
    }
  } finally {
    // The request ended early, so its source can stop, too.
    if (!isDone) await reader.cancel();
  }
}

/** A name, escaped for use in quotes. */
function escape(name: string): string {
  return name.replaceAll('"', '%22').replace(/[\r\n]/g, ' ');
}
