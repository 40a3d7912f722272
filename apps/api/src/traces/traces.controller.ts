import { Controller, Get, Inject, Param, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { SconceError } from '@sconce/errors';
import type { ApiConfig } from '../config.ts';
import { CONFIG } from '../tokens.ts';

const TRACE_ID = /^[0-9a-f]{32}$/;

/** Where traces can be looked up. They are kept by whatever the processes send their spans to, never here. */
@ApiTags('Traces')
@Controller('v1/traces')
export class TracesController {
  constructor(@Inject(CONFIG) private readonly config: ApiConfig) {}

  @Get(':id')
  @ApiOperation({
    summary: 'A trace',
    description: 'Leads to the query API of the trace backend (`SCONCE_TRACE_URL`): Jaeger’s, or Tempo’s.',
  })
  @ApiResponse({ status: 307, description: 'Where the trace is' })
  @ApiResponse({ status: 404, description: 'No trace backend is named to this server, or the id is none' })
  find(@Param('id') id: string, @Res() reply: FastifyReply): void {
    const { traceUrl } = this.config;
    if (traceUrl === undefined) {
      throw new SconceError('not_found', 'This server knows of no trace backend: set SCONCE_TRACE_URL at the API.');
    }
    if (!TRACE_ID.test(id)) {
      throw new SconceError('not_found', 'A trace id is 32 lower-case hexadecimal digits.', {
        details: { param: 'id' },
      });
    }
    void reply.status(307).header('location', `${traceUrl}/api/traces/${id}`).send();
  }
}
