/** An artifact: bytes, or a stream of them. */
export type ArtifactBody = Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;

/** Parts of a push besides the artifact. */
export interface PushParts {
  /** The model's config, as `config.json` has it. */
  readonly config?: object | undefined;
  /** A safetensors file of calls with the outputs they must have. */
  readonly cases?: Uint8Array | Blob | undefined;
  /** Called with the number of bytes of the artifact that the connection has taken so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

const CHUNK_BYTES = 256 * 1024;

/** The body of a push and its media type: the artifact itself, or a form if there are other parts. Streams stay streams. */
export function pushBody(
  artifact: ArtifactBody,
  { config, cases, onProgress }: PushParts,
): { readonly body: ArtifactBody; readonly contentType: string } {
  if (config === undefined && cases === undefined) {
    const body = onProgress === undefined ? artifact : ReadableStream.from(counted(artifact, onProgress));
    return { body, contentType: 'application/octet-stream' };
  }
  const boundary = `sconce-${crypto.randomUUID()}`;
  const text = new TextEncoder();
  const head = (name: string, file: string, type: string): Uint8Array =>
    text.encode(
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="${file}"\r\nContent-Type: ${type}\r\n\r\n`,
    );
  const newLine = text.encode('\r\n');
  const pieces = async function* (): AsyncGenerator<Uint8Array> {
    if (config !== undefined) {
      yield head('config', 'config.json', 'application/json');
      yield text.encode(JSON.stringify(config));
      yield newLine;
    }
    if (cases !== undefined) {
      yield head('cases', 'cases.safetensors', 'application/octet-stream');
      yield* cases instanceof Blob ? cases.stream() : slices(cases);
      yield newLine;
    }
    yield head('model', 'model', 'application/octet-stream');
    yield* counted(artifact, onProgress);
    yield text.encode(`\r\n--${boundary}--\r\n`);
  };
  return { body: ReadableStream.from(pieces()), contentType: `multipart/form-data; boundary=${boundary}` };
}

async function* counted(artifact: ArtifactBody, onProgress?: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  let sent = 0;
  for await (const chunk of artifact instanceof ReadableStream ? artifact : slices(artifact)) {
    sent += chunk.byteLength;
    onProgress?.(sent);
    yield chunk;
  }
}

function* slices(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
}
