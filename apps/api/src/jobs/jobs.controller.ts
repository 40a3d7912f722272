import { Controller, Delete, Get, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { jobListQuerySchema, type Job, type List } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import { InferenceProducer, type JobRecord } from '@sconce/queue';
import { TENSOR_BODY } from '../http/body-parser.ts';
import { onlyOwnerOf, ownerOf } from '../access/install-access.ts';
import { EventStreams } from '../http/event-streams.ts';
import { listResource, readQuery } from '../http/list-query.ts';
import { nameModel, requestContext } from '../http/request-trace.ts';
import { unusedWarning, warn } from '../http/warning.ts';
import { readInferenceCall } from '../inference/inference-call.ts';
import { InferenceService } from '../inference/inference.service.ts';
import { RequestDecoder } from '../inference/request-decoder.ts';
import { holdResult } from '../inference/stored-result.ts';
import { sendResult } from '../inference/send-response.ts';
import { sendJob, toJobResource } from './job-resource.ts';

/** Asynchronous inference: submit now, fetch the answer later. */
@Controller('v1/jobs')
export class JobsController {
  constructor(
    @Inject(InferenceService) private readonly inference: InferenceService,
    @Inject(RequestDecoder) private readonly decoder: RequestDecoder,
    @Inject(InferenceProducer) private readonly producer: InferenceProducer,
    @Inject(EventStreams) private readonly watching: EventStreams,
  ) {}

  @Post()
  @RouteConfig(TENSOR_BODY)
  async submit(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const call = readInferenceCall(request);
    const head = await this.decoder.parseHead(call);
    const { model, version } = readTarget(head.extra);
    const prepared = await this.inference.prepare(model, version, (manifest) =>
      this.decoder.bind(head, call, manifest),
    );
    nameModel(request, prepared.manifest.name);
    const unused = prepared.request.unused?.filter((name) => name !== 'model' && name !== 'version') ?? [];
    if (unused.length > 0) warn(reply, unusedWarning('request', unused));
    const context = requestContext(request);
    const job = await this.inference.submit(prepared, call, { context, lane: 'batch', scope: 'job' });
    sendJob(reply, toJobResource(job));
  }

  @Get()
  async list(@Query() query: unknown, @Req() request: FastifyRequest): Promise<List<Job>> {
    const { created_from: from, created_before: before, ...asked } = readQuery(query, jobListQuerySchema);
    const { jobs, next } = await this.producer.jobs({
      ...asked,
      fromMs: from && from * 1_000,
      beforeMs: before && before * 1_000,
      ofOwner: onlyOwnerOf(request),
    });
    return { ...listResource(jobs.map(toJobResource), next !== undefined), ...(next && { last_id: next }) };
  }

  @Get(':id')
  async get(@Param('id') id: string, @Req() request: FastifyRequest): Promise<Job> {
    return toJobResource(await this.producer.job(id, onlyOwnerOf(request)));
  }

  @Get(':id/result')
  async result(@Param('id') id: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const result = await this.inference.result(await this.producer.job(id, onlyOwnerOf(request)));
    holdResult(request, result);
    await sendResult(reply, result);
  }

  @Get(':id/events')
  async events(@Param('id') id: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const job = await this.producer.job(id, onlyOwnerOf(request));
    const owner = ownerOf(request);
    this.watching.checkRoom(owner);
    reply.hijack();
    const watched = {
      name: 'job',
      first: job,
      read: () => this.producer.job(id),
      toResource: toJobResource,
      hasEnded: ({ status }: JobRecord) => status !== 'queued' && status !== 'running',
    } as const;
    await this.watching.stream(watched, reply.raw, owner);
  }

  @Delete(':id')
  async cancel(@Param('id') id: string, @Req() request: FastifyRequest): Promise<Job> {
    return toJobResource(await this.producer.cancelOrRemove(id, onlyOwnerOf(request)));
  }
}

/** `model` and `version` in the body of a job. */
function readTarget(extra: Readonly<Record<string, unknown>>): { model: string; version: string | undefined } {
  const { model, version } = extra;
  if (typeof model !== 'string' || model === '') {
    throw new SconceError('invalid_request', 'The job must name its model: {"model": "…", "inputs": […]}.', {
      details: { param: 'model' },
    });
  }
  if (version !== undefined && typeof version !== 'string') {
    throw new SconceError(
      'invalid_request',
      `"version" must be a string such as "1", not ${JSON.stringify(version)}.`,
      {
        details: { param: 'version' },
      },
    );
  }
  return { model, version };
}
