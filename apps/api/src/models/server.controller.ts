import { Controller, Get } from '@nestjs/common';
import type { ServerMetadata } from '@sconce/contracts';
import { VERSION } from '../version.ts';

/** The protocol extensions of this server. */
const EXTENSIONS = [
  'binary_tensor_data',
  'classification',
  'model_configuration',
  'model_repository',
  'model_repository(unload_dependents)',
  'parameters',
  'schedule_policy',
  'statistics',
] as const;
@Controller('v2')
export class ServerController {
  /** Server metadata. */
  @Get()
  metadata(): ServerMetadata {
    return { name: 'sconce', version: VERSION, extensions: EXTENSIONS };
  }
}
