import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '@sconce/telemetry';
import { answerError } from './error-answer.ts';
import { noRoute } from './route-methods.ts';

/** Turns every value that is thrown in a route of Nest into an error body. */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  catch(given: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const thrown = given instanceof HttpException ? withStatusCode(given) : given;
    answerError(
      { request, reply: http.getResponse<FastifyReply>(), thrown: request.is404 ? noRoute(request) : thrown },
      this.#logger,
    );
  }
}

/** Nest's error with its status where Fastify's errors have theirs. */
function withStatusCode(error: HttpException): HttpException & { readonly statusCode: number } {
  return Object.assign(error, { statusCode: error.getStatus() });
}
