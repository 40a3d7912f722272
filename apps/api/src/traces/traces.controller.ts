import { Controller, Get, Inject, Param } from '@nestjs/common';
import type { Trace } from '@sconce/contracts';
import type { ApiConfig } from '../config.ts';
import { CONFIG } from '../tokens.ts';
import { traceOf } from './trace-resource.ts';

/** Addresses of traces. The trace backend keeps the traces; the API only knows its address. */
@Controller('v1/traces')
export class TracesController {
  constructor(@Inject(CONFIG) private readonly config: ApiConfig) {}

  @Get(':id')
  find(@Param('id') id: string): Trace {
    return traceOf(id, this.config.traceUrl);
  }
}
