import { Controller, Get, Inject, Param } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { SconceError } from '@sconce/errors';
import type { ApiConfig } from '../config.ts';
import { CONFIG } from '../tokens.ts';

const TRACE_ID = /^[0-9a-f]{32}$/;

/** Where a trace can be looked up. */
interface TraceResource {
  readonly id: string;
  readonly object: 'trace';
  readonly url: string;
}

/** Where traces can be looked up. They are kept by whatever the processes send their spans to, never here. */
@ApiTags('Traces')
@Controller('v1/traces')
export class TracesController {
  constructor(@Inject(CONFIG) private readonly config: ApiConfig) {}

  @Get(':id')
  @ApiOperation({
    summary: 'Where a trace is',
    description:
      '`url` is the query API of the trace backend that `SCONCE_TRACE_URL` names: Jaeger’s, or Tempo’s. Whether it has the trace is not known here.',
  })
  @ApiResponse({ status: 200, description: 'Where the trace is: `{"id": …, "object": "trace", "url": …}`' })
  @ApiResponse({ status: 404, description: 'No trace backend is named to this server, or the id is none' })
  find(@Param('id') id: string): TraceResource {
    const { traceUrl } = this.config;
    if (traceUrl === undefined) {
      throw new SconceError('not_found', 'This server knows of no trace backend: set SCONCE_TRACE_URL at the API.');
    }
    if (!TRACE_ID.test(id)) {
      throw new SconceError('not_found', 'A trace id is 32 lower-case hexadecimal digits.', {
        details: { param: 'id' },
      });
    }
    return { id, object: 'trace', url: `${traceUrl}/api/traces/${id}` };
  }
}
