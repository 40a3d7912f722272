import { Controller, Get } from '@nestjs/common';
import type { ServerMetadata } from '@sconce/contracts';
import { serverMetadata } from './server-metadata.ts';

@Controller('v2')
export class ServerController {
  /** Server metadata. */
  @Get()
  metadata(): ServerMetadata {
    return serverMetadata({ repository: true });
  }
}
