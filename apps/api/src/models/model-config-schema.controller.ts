import { Controller, Get, Header } from '@nestjs/common';
import { publishedDocument } from '../documents/published-documents.ts';

/** The JSON Schema of a model's `config.json`, for editors and checks before a push. */
@Controller('v1/model-config.schema.json')
export class ModelConfigSchemaController {
  @Get()
  @Header('content-type', 'application/schema+json; charset=utf-8')
  schema(): Promise<string> {
    return publishedDocument('model-config-schema');
  }
}
