import { Controller, Get, Header } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { modelConfigJsonSchema } from '@sconce/models';

const SCHEMA = JSON.stringify(modelConfigJsonSchema());

/** The JSON Schema of a model's `config.json`, for editors and checks before a push. */
@ApiTags('Models')
@Controller('v1/model-config.schema.json')
export class ModelConfigSchemaController {
  @Get()
  @Header('content-type', 'application/schema+json; charset=utf-8')
  @ApiOperation({ summary: 'The JSON Schema of config.json' })
  schema(): string {
    return SCHEMA;
  }
}
