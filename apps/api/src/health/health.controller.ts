import { Controller, Get, Inject, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { InferenceProducer } from '@sconce/queue';

/** Bodies satisfy the specification's text and the clients that read `live` or `ready`; others only look at the status. */
@ApiExcludeController()
@Controller('v2/health')
export class HealthController {
  constructor(@Inject(InferenceProducer) private readonly producer: InferenceProducer) {}

  @Get('live')
  live(): { live: boolean } {
    return { live: true };
  }

  /** Ready means: a request sent now can be accepted. */
  @Get('ready')
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<{ live: boolean; ready: boolean }> {
    const ready = await this.producer.ping();
    if (!ready) void reply.status(503);
    return { live: true, ready };
  }
}
