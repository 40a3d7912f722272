import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiHeader, ApiOperation, ApiProduces, ApiResponse } from '@nestjs/swagger';
import { INFER_REQUEST_SCHEMA, INFER_RESPONSE_SCHEMA, V2_ERROR_SCHEMA } from './schemas.ts';

/** OpenAPI text of the infer routes. */
export function DocumentInfer(): MethodDecorator {
  return applyDecorators(
    ApiOperation({
      summary: 'Run one request',
      description:
        'Open Inference Protocol v2, JSON or with the binary tensor extension (tensors after the JSON, whose length is in ' +
        '`Inference-Header-Content-Length`). Request parameters: `timeout` (microseconds). With `Prefer: respond-async` ' +
        'the answer is a job. With `Idempotency-Key`, a repeated request gets the first one’s answer.',
    }),
    ApiHeader({ name: 'Inference-Header-Content-Length', required: false, description: 'Length of the JSON, bytes' }),
    ApiHeader({ name: 'Prefer', required: false, description: '`respond-async` for a job instead of the answer' }),
    ApiHeader({ name: 'Idempotency-Key', required: false, description: 'Makes repeating the request safe' }),
    ApiConsumes('application/json', 'application/octet-stream'),
    ApiBody({ schema: INFER_REQUEST_SCHEMA }),
    ApiProduces('application/json', 'application/octet-stream'),
    ApiResponse({ status: 200, description: 'The outputs', schema: INFER_RESPONSE_SCHEMA }),
    ApiResponse({ status: 202, description: 'A job (`Prefer: respond-async`)' }),
    ...errors({
      400: 'The request is wrong: the message names the input, what was expected and what came',
      404: 'No such model or version',
      429: 'Too much is waiting; see Retry-After',
      503: 'The model is not ready, or Redis is away',
      504: 'No answer within the timeout',
    }),
  );
}

function errors(byStatus: Readonly<Record<number, string>>): MethodDecorator[] {
  return Object.entries(byStatus).map(([status, description]) =>
    ApiResponse({ status: Number(status), description, schema: V2_ERROR_SCHEMA }),
  );
}
