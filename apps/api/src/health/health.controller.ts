import { Controller, Get, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { Live, ServerReady } from '@sconce/contracts';
import { InferenceProducer } from '@sconce/queue';

/** Bodies satisfy the specification's text and the clients that read `live` or `ready`; others only look at the status. */
@Controller('v2/health')
export class HealthController {
  constructor(@Inject(InferenceProducer) private readonly producer: InferenceProducer) {}

  @Get('live')
  live(): Live {
    return { live: true };
  }

  /** Ready means: a request sent now can be accepted. */
  @Get('ready')
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<ServerReady> {
    const ready = await this.producer.ping();
    if (!ready) void reply.status(503);
    return { live: true, ready };
  }
}
