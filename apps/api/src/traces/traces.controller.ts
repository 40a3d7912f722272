import { Controller, Get, Inject, Param } from '@nestjs/common';
import type { Trace } from '@sconce/contracts';
import { SconceError } from '@sconce/errors';
import type { ApiConfig } from '../config.ts';
import { CONFIG } from '../tokens.ts';

const TRACE_ID = /^[0-9a-f]{32}$/;

/** Addresses of traces. The trace backend keeps the traces; the API only knows its address. */
@Controller('v1/traces')
export class TracesController {
  constructor(@Inject(CONFIG) private readonly config: ApiConfig) {}

  @Get(':id')
  find(@Param('id') id: string): Trace {
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
