import type { File, FilePurpose } from '@sconce/contracts';
import { formBody, type FileBody } from './form-body.ts';
import type { Http } from './http.ts';
import { pages, type Page } from './pages.ts';

/** Options of an upload. */
export interface UploadOptions {
  /** The format of a dataset is found by it: `rows.csv`. */
  readonly filename: string;
  /** Seconds after which the file is removed. */
  readonly expiresAfterSeconds?: number;
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/** Files: datasets for batches, and results of batches. */
export class FilesClient {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  /** Uploads a file; a stream or a Blob is never held in memory. Throws `payload_too_large`. */
  async create(file: FileBody, options: UploadOptions): Promise<File> {
    const { filename, expiresAfterSeconds, onProgress, signal } = options;
    const expiry: Record<string, string> =
      expiresAfterSeconds === undefined
        ? {}
        : { 'expires_after[anchor]': 'created_at', 'expires_after[seconds]': String(expiresAfterSeconds) };
    const { body, headers } = formBody(file, { fields: { purpose: 'batch', ...expiry }, filename, onProgress });
    return this.#http.json<File>('/v1/files', { method: 'POST', headers, body, signal });
  }

  /** Throws `file_not_found`. */
  async get(id: string): Promise<File> {
    return this.#http.json<File>(pathOf(id));
  }

  /** All files, newest first. Pages are fetched when they are needed. */
  list(options: { readonly purpose?: FilePurpose } = {}): AsyncGenerator<File> {
    const purpose = options.purpose === undefined ? '' : `&purpose=${options.purpose}`;
    return pages((after) => this.#http.json<Page<File>>(`/v1/files?limit=100${purpose}${after}`));
  }

  /** The bytes of a file, as a stream. Throws `file_not_found`. */
  async content(id: string, options: { readonly signal?: AbortSignal } = {}): Promise<ReadableStream<Uint8Array>> {
    return this.#http.stream(`${pathOf(id)}/content`, options);
  }

  /** Throws `file_not_found`. */
  async delete(id: string): Promise<void> {
    await this.#http.request(pathOf(id), { method: 'DELETE' });
  }
}

function pathOf(id: string): string {
  return `/v1/files/${encodeURIComponent(id)}`;
}
