import { inferResponseSchema, jobRequestSchema } from '../inference/infer.ts';
import { jobListQuerySchema, jobListSchema, jobSchema } from '../jobs/job.ts';
import { JOB_EXAMPLES } from './examples.ts';
import { idParams, inferHeaders } from './parameters.ts';
import { bytesSchema, contentOf, failures, json } from './responses.ts';
import type { Route } from './route.ts';

const tag = 'Jobs';
const params = idParams('job');

/** Routes of asynchronous requests. */
export const JOB_ROUTES: readonly Route[] = [
  {
    method: 'post',
    path: '/v1/jobs',
    operationId: 'submitJob',
    tag,
    summary: 'Submit a job',
    description: 'The body is an infer request that names its `model` (and `version`), as JSON or with binary tensors.',
    access: 'infer',
    headers: inferHeaders,
    body: {
      required: true,
      content: {
        'application/json': { schema: jobRequestSchema, examples: JOB_EXAMPLES },
        'application/octet-stream': { schema: bytesSchema },
      },
    },
    responses: {
      202: json('The job is accepted. It will end in a result or an error.', jobSchema, {
        headers: { Location: 'Where the job is.', 'Retry-After': 'Seconds.' },
      }),
      ...failures({
        400: true,
        404: 'There is no such model or version.',
        413: true,
        415: true,
        422: 'The Idempotency-Key was used with another request, or its job was removed.',
        503: true,
      }),
    },
  },
  {
    method: 'get',
    path: '/v1/jobs',
    operationId: 'listJobs',
    tag,
    summary: 'List jobs',
    description:
      'Newest first: the jobs of the key’s owner, or all for a key with `admin`. Jobs that have expired are not listed, and neither are requests whose caller waited.',
    access: 'infer',
    query: jobListQuerySchema,
    responses: {
      200: json('A page of jobs', jobListSchema),
      ...failures({ 400: true, 404: 'There is no job `after`, or it has expired.', 503: true }),
    },
  },
  {
    method: 'get',
    path: '/v1/jobs/{id}',
    operationId: 'getJob',
    tag,
    summary: 'Get a job',
    access: 'infer',
    params,
    responses: {
      200: json('The job', jobSchema),
      ...failures({ 404: 'There is no such job, or it has expired.', 503: true }),
    },
  },
  {
    method: 'get',
    path: '/v1/jobs/{id}/result',
    operationId: 'getJobResult',
    tag,
    summary: 'Get the result of a job',
    description: 'The infer response, encoded as the submission asked for. A failed job answers with its error.',
    access: 'infer',
    params,
    responses: {
      200: {
        description: 'The outputs',
        content: {
          'application/json': { schema: inferResponseSchema },
          'application/octet-stream': { schema: bytesSchema },
        },
        headers: {
          'Server-Timing': 'Where the time went: queue, batch, run.',
          'Inference-Header-Content-Length': 'Length of the JSON, bytes, when binary tensors follow it.',
        },
      },
      ...failures({
        400: 'The job failed: its inputs do not fit the model.',
        404: 'There is no such job, or its result has expired.',
        409: 'Not finished (`job_not_finished`, with Retry-After) or cancelled (`job_cancelled`).',
        413: 'The job failed: its result is too large.',
        422: 'The job failed: the model is not valid.',
        503: true,
        504: 'The job failed: its deadline passed.',
      }),
    },
  },
  {
    method: 'get',
    path: '/v1/jobs/{id}/events',
    operationId: 'watchJob',
    tag,
    summary: 'Watch a job',
    description: 'Server-sent events: `job`, with the job as data, whenever it has changed, until it has ended.',
    access: 'infer',
    params,
    responses: {
      200: contentOf('text/event-stream', 'Events'),
      ...failures({ 404: 'There is no such job, or it has expired.', 503: true }),
    },
  },
  {
    method: 'delete',
    path: '/v1/jobs/{id}',
    operationId: 'cancelJob',
    tag,
    summary: 'Cancel or remove a job',
    description:
      'Cancels a job that has not ended. Removes a job that has ended with its result, and answers with the job as it was.',
    access: 'infer',
    params,
    responses: {
      200: json('The job', jobSchema),
      ...failures({ 404: 'There is no such job, or it has expired.', 413: true, 415: true, 503: true }),
    },
  },
];
