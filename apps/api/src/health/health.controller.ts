import { Controller, Get, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { Live, ServerReady } from '@sconce/contracts';
import { InferenceProducer } from '@sconce/queue';

/** Health of the server. The bodies have the fields of the specification and of clients that read `live` or `ready`. */
@Controller('v2/health')
export class HealthController {
  constructor(@Inject(InferenceProducer) private readonly producer: InferenceProducer) {}

  @Get('live')
  live(): Live {
    return { live: true };
  }

  /** Ready means that a request that is sent now can be accepted. */
  @Get('ready')
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<ServerReady> {
    const ready = await this.producer.ping();
    if (!ready) void reply.status(503);
    return { live: true, ready };
  }
}
