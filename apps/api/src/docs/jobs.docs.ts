import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiHeader, ApiOperation, ApiProduces, ApiResponse } from '@nestjs/swagger';
import { INFER_RESPONSE_SCHEMA, JOB_REQUEST_SCHEMA, JOB_SCHEMA, V1_ERROR_SCHEMA } from './schemas.ts';

export function DocumentSubmitJob(): MethodDecorator {
  return applyDecorators(
    ApiOperation({
      summary: 'Submit a job',
      description: 'The body is an infer request that names its `model` (and `version`); JSON or with binary tensors.',
    }),
    ApiHeader({ name: 'Idempotency-Key', required: false, description: 'A repeated submission gets the first job' }),
    ApiConsumes('application/json', 'application/octet-stream'),
    ApiBody({ schema: JOB_REQUEST_SCHEMA }),
    ApiResponse({ status: 202, description: 'Accepted: it will end in a result or an error', schema: JOB_SCHEMA }),
    failure(400, 'The request is wrong'),
    failure(422, 'The Idempotency-Key was used with another request'),
    failure(429, 'Too many jobs wait; see Retry-After'),
  );
}

export function DocumentGetJob(): MethodDecorator {
  return applyDecorators(
    ApiOperation({ summary: 'State of a job' }),
    ApiResponse({ status: 200, schema: JOB_SCHEMA, description: 'The job' }),
    failure(404, 'No such job, or it has expired'),
  );
}

export function DocumentJobResult(): MethodDecorator {
  return applyDecorators(
    ApiOperation({
      summary: 'Result of a job',
      description: 'The infer response, encoded as the submission asked for. A failed job answers with its error.',
    }),
    ApiProduces('application/json', 'application/octet-stream'),
    ApiResponse({ status: 200, schema: INFER_RESPONSE_SCHEMA, description: 'The outputs' }),
    failure(404, 'No such job, or its result has expired'),
    failure(409, 'Not finished (`job_not_finished`, with Retry-After) or cancelled (`job_cancelled`)'),
  );
}

export function DocumentCancelJob(): MethodDecorator {
  return applyDecorators(
    ApiOperation({ summary: 'Cancel a job', description: 'A job that has ended stays as it is.' }),
    ApiResponse({ status: 200, schema: JOB_SCHEMA, description: 'The job' }),
    failure(404, 'No such job, or it has expired'),
  );
}

function failure(status: number, description: string): MethodDecorator {
  return ApiResponse({ status, description, schema: V1_ERROR_SCHEMA });
}
