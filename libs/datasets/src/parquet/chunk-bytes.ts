import type { ByteSource } from '@sconce/storage';
import { PageProblem, readPageHeader, type PageHeader } from './page-header.ts';

/** Bytes that are read to find a page's header. It has about 30 bytes, or more if it has statistics of long texts. */
const HEADER_BYTES = [512, 16 * 1024, 1024 ** 2] as const;

/** The bytes of a column chunk, which are read ahead in windows. */
export class ChunkBytes {
  readonly #source: ByteSource;
  readonly #end: number;
  #window: { readonly start: number; readonly bytes: Uint8Array } | undefined;

  /** @param end the end of the chunk. Nothing is read beyond it. */
  constructor(source: ByteSource, end: number) {
    this.#source = source;
    this.#end = end;
  }

  /** Bytes in memory. */
  get held(): number {
    return this.#window?.bytes.byteLength ?? 0;
  }

  /** Drops the bytes that were read ahead. */
  release(): void {
    this.#window = undefined;
  }

  /** The header at `offset`. If it is not in memory, `ahead` bytes are read. @throws PageProblem if there is no header. */
  async header(offset: number, ahead: number): Promise<PageHeader> {
    const most = this.#end - offset;
    for (const length of HEADER_BYTES) {
      const bytes = await this.#read(offset, Math.min(length, most), ahead);
      try {
        return this.#checked(readPageHeader(bytes), most);
      } catch (error) {
        if (error instanceof PageProblem) throw error;
        if (length >= most || length === HEADER_BYTES.at(-1)) break;
      }
    }
    throw new PageProblem('a page is missing');
  }

  /** The page that follows its header. */
  page(offset: number, header: PageHeader, ahead: number): Promise<Uint8Array> {
    return this.#read(offset + header.headerBytes, header.compressedBytes, ahead);
  }

  #checked(header: PageHeader, most: number): PageHeader {
    if (header.headerBytes + header.compressedBytes <= most) return header;
    throw new PageProblem(
      `a page should have ${header.compressedBytes} bytes, which is more than the rest of the file`,
    );
  }

  async #read(offset: number, length: number, ahead: number): Promise<Uint8Array> {
    let window = this.#window;
    if (window === undefined || offset < window.start || offset + length > window.start + window.bytes.byteLength) {
      const wanted = Math.min(Math.max(length, ahead), this.#end - offset);
      window = { start: offset, bytes: await this.#source.read(offset, wanted) };
      this.#window = window;
    }
    return window.bytes.subarray(offset - window.start, offset - window.start + length);
  }
}
