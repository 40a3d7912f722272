import { Inject, Injectable } from '@nestjs/common';
import type { ChunkPart } from '@sconce/contracts';
import {
  MEDIA_TYPES,
  assembleFile,
  createWriter,
  type CsvOptions,
  type DatasetFormat,
  type OutputColumn,
} from '@sconce/datasets';
import { SconceError } from '@sconce/errors';
import { BatchProducer, type BatchRecord } from '@sconce/queue';
import type { BlobStore } from '@sconce/storage';
import { FileContents, type Content } from '../files/file-contents.ts';
import { BLOB_STORE } from '../tokens.ts';

/** How a batch is written, as the worker recorded it. */
interface WrittenPlan {
  readonly kind: 'table' | 'requests';
  readonly outputFormat: DatasetFormat;
  readonly columns: readonly OutputColumn[];
  readonly csv: CsvOptions;
}

/** Results as a file, before or after the batch has ended. */
export interface PartialFile {
  readonly content: Content;
  readonly filename: string;
  readonly mediaType: string;
}

/** The results of a batch so far: from the first row to the first row that is not scored. */
@Injectable()
export class BatchOutput {
  constructor(
    @Inject(BatchProducer) private readonly producer: BatchProducer,
    @Inject(FileContents) private readonly contents: FileContents,
    @Inject(BLOB_STORE) private readonly store: BlobStore,
  ) {}

  /** @throws SconceError `batch_not_finished` if the dataset has not been read yet, `file_not_found` if results were removed. */
  async open(batch: BatchRecord, which: 'output' | 'errors'): Promise<PartialFile> {
    const fileId = which === 'output' ? batch.outputFileId : batch.errorFileId;
    if (fileId !== undefined && batch.status !== 'in_progress') {
      const file = await this.producer.file(fileId);
      return { content: await this.contents.open(file), filename: file.filename, mediaType: file.mediaType };
    }
    const plan = batch.plan as WrittenPlan | undefined;
    if (plan === undefined) {
      throw new SconceError('batch_not_finished', `Batch "${batch.id}" is ${batch.status}: it has no results yet.`, {
        details: { retryAfterSeconds: 1 },
      });
    }
    const parts = withoutGaps(await this.producer.parts(batch.id));
    if (which === 'errors' || plan.kind === 'requests') {
      const blobs = parts.flatMap((part) => (which === 'errors' ? part.errors : part.output) ?? []);
      const content = this.contents.openParts({ v: 1, begin: '', end: '', parts: blobs });
      return { content, filename: `${batch.id}_${which}.jsonl`, mediaType: MEDIA_TYPES.jsonl };
    }
    const outputs = parts.flatMap(({ output, rows }) => (output === undefined ? [] : [{ ...output, rows }]));
    const writer = await createWriter(plan.columns, plan.outputFormat, { csv: plan.csv });
    const content = this.contents.openParts(await assembleFile(writer, outputs, this.store));
    return { content, filename: `${batch.id}_output.${plan.outputFormat}`, mediaType: MEDIA_TYPES[plan.outputFormat] };
  }
}

function withoutGaps(parts: readonly ChunkPart[]): readonly ChunkPart[] {
  const gap = parts.findIndex(({ index }, place) => index !== place);
  return gap < 0 ? parts : parts.slice(0, gap);
}
