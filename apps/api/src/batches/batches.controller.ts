import { Controller, Get, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { batchListQuerySchema, type Batch, type List } from '@sconce/contracts';
import { BatchProducer, fingerprintOf, type BatchRecord } from '@sconce/queue';
import type { Telemetry } from '@sconce/telemetry';
import { onlyOwnerOf, ownerOf, submitterOf } from '../access/install-access.ts';
import { STREAM_BODY } from '../http/body-parser.ts';
import { EventStreams } from '../http/event-streams.ts';
import { enqueued } from '../http/enqueue-span.ts';
import { listResource, readQuery } from '../http/list-query.ts';
import { nameModel, requestContext } from '../http/request-trace.ts';
import { uploadKeyOf } from '../http/upload-key.ts';
import { unusedWarning, warn } from '../http/warning.ts';
import { sendContent } from '../http/send-content.ts';
import { readIdempotencyKey } from '../inference/inference-call.ts';
import { TELEMETRY } from '../tokens.ts';
import { BatchDryRuns } from './batch-dry-runs.ts';
import { BatchOutput } from './batch-output.ts';
import { hasEnded, toBatchResource } from './batch-resource.ts';
import { isDryRun, receiveBatch } from './batch-upload.ts';

/** Batches as OpenAI's clients handle them, and tables of rows. */
@Controller('v1/batches')
export class BatchesController {
  constructor(
    @Inject(BatchProducer) private readonly producer: BatchProducer,
    @Inject(BatchOutput) private readonly output: BatchOutput,
    @Inject(EventStreams) private readonly watching: EventStreams,
    @Inject(BatchDryRuns) private readonly dryRuns: BatchDryRuns,
    @Inject(TELEMETRY) private readonly telemetry: Telemetry,
  ) {}

  @Post()
  @RouteConfig(STREAM_BODY)
  async submit(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const key = readIdempotencyKey(request.headers['idempotency-key']);
    const isDry = isDryRun(request.query);
    const { request: asked, fingerprint, unusedQuery, stored } = await receiveBatch(request, this.producer);
    if (unusedQuery !== undefined) warn(reply, unusedWarning('query', unusedQuery));
    const submitter = submitterOf(request);
    const owner = ownerOf(request);
    if (isDry) {
      try {
        const found = await this.dryRuns.run(asked, { submitter, owner, ofOwner: onlyOwnerOf(request) });
        void reply.status(200).send(found);
      } finally {
        if (stored !== undefined) await this.producer.deleteFile(stored).catch(() => undefined);
      }
      return;
    }
    const batch = await enqueued(this.telemetry.tracer, requestContext(request), (trace) =>
      this.producer.submit(asked, {
        trace,
        submitter,
        owner,
        ofOwner: onlyOwnerOf(request),
        idempotency:
          key === undefined ? undefined : { owner, key, scope: 'batch', fingerprint: fingerprintOf(fingerprint) },
      }),
    );
    nameModel(request, batch.spec.model);
    void reply.status(200).header('location', `/v1/batches/${batch.id}`).send(toBatchResource(batch));
  }

  @Get()
  async list(@Query() query: unknown, @Req() request: FastifyRequest): Promise<List<Batch>> {
    const { after, limit } = readQuery(query, batchListQuerySchema);
    const { batches, more } = await this.producer.batches({ limit, after, ofOwner: onlyOwnerOf(request) });
    return listResource(batches.map(toBatchResource), more);
  }

  @Get(':id')
  async get(@Param('id') id: string, @Req() request: FastifyRequest): Promise<Batch> {
    return toBatchResource(await this.producer.batch(id, onlyOwnerOf(request)));
  }

  @Post(':id/cancel')
  async cancel(@Param('id') id: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    void reply.status(200).send(toBatchResource(await this.producer.cancel(id, onlyOwnerOf(request))));
  }

  @Post(':id/retry')
  async retry(@Param('id') id: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const batch = await this.producer.retry(id, onlyOwnerOf(request), uploadKeyOf(request, 'retry'));
    void reply.status(200).send(toBatchResource(batch));
  }

  @Get(':id/output')
  async results(@Param('id') id: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    await this.#send(await this.producer.batch(id, onlyOwnerOf(request)), reply, 'output');
  }

  @Get(':id/errors')
  async errors(@Param('id') id: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    await this.#send(await this.producer.batch(id, onlyOwnerOf(request)), reply, 'errors');
  }

  @Get(':id/events')
  async events(@Param('id') id: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const batch = await this.producer.batch(id, onlyOwnerOf(request));
    const owner = ownerOf(request);
    this.watching.checkRoom(owner);
    reply.hijack();
    const watched = {
      name: 'batch',
      first: batch,
      read: () => this.producer.batch(id),
      toResource: toBatchResource,
      hasEnded,
    } as const;
    await this.watching.stream(watched, reply.raw, owner);
  }

  async #send(batch: BatchRecord, reply: FastifyReply, which: 'output' | 'errors'): Promise<void> {
    const { content, ...file } = await this.output.open(batch, which);
    sendContent(reply, content, file);
  }
}
