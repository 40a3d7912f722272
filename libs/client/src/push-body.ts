import { chunksOf, multipart, streamOf, type Part } from './multipart.ts';

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

const BINARY = 'application/octet-stream';

/** The body of a push and its media type: the artifact itself, or a form if there are other parts. Streams stay streams. */
export function pushBody(
  artifact: ArtifactBody,
  { config, cases, onProgress }: PushParts,
): { readonly body: ArtifactBody; readonly contentType: string } {
  if (config === undefined && cases === undefined) {
    const body = onProgress === undefined ? artifact : streamOf(chunksOf(artifact, onProgress));
    return { body, contentType: BINARY };
  }
  const parts: Part[] = [];
  if (config !== undefined) {
    const content = JSON.stringify(config);
    parts.push({ name: 'config', filename: 'config.json', type: 'application/json', content });
  }
  if (cases !== undefined) {
    parts.push({ name: 'cases', filename: 'cases.safetensors', type: BINARY, content: cases });
  }
  // The server reads the artifact last, when it knows the other parts.
  parts.push({ name: 'model', filename: 'model', type: BINARY, content: artifact, onProgress });
  return multipart(parts);
}
