import type { Readable } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import { bytesOfParts, streamParts, type FileParts } from '@sconce/datasets';
import type { FileRecord } from '@sconce/queue';
import { fileGone } from './file-gone.ts';
import type { BlobStore } from '@sconce/storage';
import { BLOB_STORE } from '../tokens.ts';

const MAX_LIST_BYTES = 256 * 1024 ** 2;

/** Bytes to send, and their number. */
export interface Content {
  readonly bytes: number;
  readonly stream: Readable;
}

/** Reads the bytes of files. They are in one blob, or in the parts of a batch's chunks. */
@Injectable()
export class FileContents {
  constructor(@Inject(BLOB_STORE) private readonly store: BlobStore) {}

  /** @throws SconceError `file_not_found` if the bytes are not in the store any more. */
  async open({ id, content, bytes }: FileRecord): Promise<Content> {
    if (content.kind === 'blob') {
      const stream = await this.store.stream(content.key);
      if (stream === undefined) throw fileGone(id);
      return { bytes, stream };
    }
    const list = await this.store.get(content.key, { maxBytes: MAX_LIST_BYTES });
    if (list === undefined) throw fileGone(id);
    return this.openParts(JSON.parse(Buffer.from(list).toString('utf8')) as FileParts);
  }

  openParts(parts: FileParts): Content {
    return { bytes: bytesOfParts(parts), stream: streamParts(parts, this.store) };
  }
}
