import { Controller, Inject, Param, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { decodeInferRequest } from '@sconce/tensor';
import { nameModel, requestContext } from '../http/request-trace.ts';
import { sendJob, toJobResource } from '../jobs/job-resource.ts';
import { prefersAsync, readInferenceCall } from './inference-call.ts';
import { InferenceService } from './inference.service.ts';
import { sendResult } from './send-response.ts';

/** Inference as the Open Inference Protocol defines it. */
@Controller('v2/models/:model')
export class InferenceController {
  constructor(@Inject(InferenceService) private readonly inference: InferenceService) {}

  @Post('infer')
  async infer(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Param('model') model: string,
  ): Promise<void> {
    await this.#infer(request, reply, model, undefined);
  }

  @Post('versions/:version/infer')
  async inferVersion(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Param('model') model: string,
    @Param('version') version: string,
  ): Promise<void> {
    await this.#infer(request, reply, model, version);
  }

  async #infer(
    request: FastifyRequest,
    reply: FastifyReply,
    model: string,
    version: string | undefined,
  ): Promise<void> {
    const call = readInferenceCall(request);
    const prepared = await this.inference.prepare(model, version, (signature) =>
      decodeInferRequest({ body: call.body, headerLength: call.headerLength, signature }),
    );
    nameModel(request, prepared.manifest.name);
    const context = requestContext(request);
    if (prefersAsync(request)) {
      const job = await this.inference.submit(prepared, call, { context, lane: 'batch', scope: 'job' });
      reply.header('preference-applied', 'respond-async');
      sendJob(reply, toJobResource(job));
      return;
    }
    const gone = new AbortController();
    // 'close' before the answer is written means that the caller has disconnected: its request need not be run.
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished) gone.abort();
    });
    sendResult(reply, await this.inference.infer(prepared, call, { context, signal: gone.signal }));
  }
}
