import { Controller, Get, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { batchListQuerySchema, type Batch, type List } from '@sconce/contracts';
import { BatchProducer, fingerprintOf } from '@sconce/queue';
import type { Telemetry } from '@sconce/telemetry';
import { submitterOf } from '../access/install-access.ts';
import { STREAM_BODY } from '../http/body-parser.ts';
import { enqueued } from '../http/enqueue-span.ts';
import { listResource, readQuery } from '../http/list-query.ts';
import { nameModel, requestContext } from '../http/request-trace.ts';
import { sendContent } from '../http/send-content.ts';
import { readIdempotencyKey } from '../inference/inference-call.ts';
import { TELEMETRY } from '../tokens.ts';
import { BatchEvents } from './batch-events.ts';
import { BatchOutput } from './batch-output.ts';
import { toBatchResource } from './batch-resource.ts';
import { receiveBatch } from './batch-upload.ts';

/** Batches as OpenAI's clients handle them, and tables of rows. */
@Controller('v1/batches')
export class BatchesController {
  constructor(
    @Inject(BatchProducer) private readonly producer: BatchProducer,
    @Inject(BatchOutput) private readonly output: BatchOutput,
    @Inject(BatchEvents) private readonly watching: BatchEvents,
    @Inject(TELEMETRY) private readonly telemetry: Telemetry,
  ) {}

  @Post()
  @RouteConfig(STREAM_BODY)
  async submit(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const key = readIdempotencyKey(request.headers['idempotency-key']);
    const { request: asked, fingerprint } = await receiveBatch(request, this.producer);
    const submitter = submitterOf(request);
    const batch = await enqueued(this.telemetry.tracer, requestContext(request), (trace) =>
      this.producer.submit(asked, {
        trace,
        submitter,
        idempotency: key === undefined ? undefined : { key, scope: 'batch', fingerprint: fingerprintOf(fingerprint) },
      }),
    );
    nameModel(request, batch.spec.model);
    void reply.status(200).header('location', `/v1/batches/${batch.id}`).send(toBatchResource(batch));
  }

  @Get()
  async list(@Query() query: unknown): Promise<List<Batch>> {
    const { after, limit } = readQuery(query, batchListQuerySchema);
    const { batches, more } = await this.producer.batches({ limit, after });
    return listResource(batches.map(toBatchResource), more);
  }

  @Get(':id')
  async get(@Param('id') id: string): Promise<Batch> {
    return toBatchResource(await this.producer.batch(id));
  }

  @Post(':id/cancel')
  async cancel(@Param('id') id: string, @Res() reply: FastifyReply): Promise<void> {
    void reply.status(200).send(toBatchResource(await this.producer.cancel(id)));
  }

  @Post(':id/retry')
  async retry(@Param('id') id: string, @Res() reply: FastifyReply): Promise<void> {
    void reply.status(200).send(toBatchResource(await this.producer.retry(id)));
  }

  @Get(':id/output')
  async results(@Param('id') id: string, @Res() reply: FastifyReply): Promise<void> {
    await this.#send(id, reply, 'output');
  }

  @Get(':id/errors')
  async errors(@Param('id') id: string, @Res() reply: FastifyReply): Promise<void> {
    await this.#send(id, reply, 'errors');
  }

  @Get(':id/events')
  async events(@Param('id') id: string, @Res() reply: FastifyReply): Promise<void> {
    const batch = await this.producer.batch(id);
    this.watching.checkRoom();
    reply.hijack();
    await this.watching.stream(batch, reply.raw);
  }

  async #send(id: string, reply: FastifyReply, which: 'output' | 'errors'): Promise<void> {
    const { content, ...file } = await this.output.open(await this.producer.batch(id), which);
    sendContent(reply, content, file);
  }
}
