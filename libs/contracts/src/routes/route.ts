import type * as z from 'zod';
import type { Scope } from '@sconce/keys';

/** What a caller needs when the server has keys: nothing, any key, or a key with a scope. */
export type Access = 'nothing' | 'key' | Scope;

/** A request that works when the demo model `digits` is pushed as version 1. */
export interface RouteExample {
  readonly summary: string;
  /** JSON, or the text of a body of another media type. */
  readonly value: unknown;
}

/** The bodies of one media type. */
export interface RouteContent {
  readonly schema: z.ZodType;
  /** By name. Each is sent to a running server by `test/e2e/contract.spec.ts`. */
  readonly examples?: Readonly<Record<string, RouteExample>>;
}

/** An answer of one status. */
export interface RouteResponse {
  readonly description: string;
  /** By media type; absent for an answer without a body. */
  readonly content?: Readonly<Record<string, RouteContent>>;
  /** Header names and what they say. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** One route of the HTTP API. */
export interface Route {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** With parameters in braces, such as `/v1/batches/{id}`. */
  readonly path: string;
  /** Unique; generators of clients name functions by it. */
  readonly operationId: string;
  readonly tag: RouteTag;
  readonly summary: string;
  readonly description?: string;
  readonly access: Access;
  /** One field for each parameter of the path. */
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly headers?: z.ZodObject;
  readonly body?: {
    readonly required: boolean;
    readonly description?: string;
    readonly content: Readonly<Record<string, RouteContent>>;
  };
  /** Every status that the route answers. */
  readonly responses: Readonly<Record<number, RouteResponse>>;
  /** Whether the process answers on its metrics port, not on the port of the API. */
  readonly isOnMetricsPort?: boolean;
}

/** Groups of routes, with what they are for. */
export const ROUTE_TAGS = {
  'Open Inference Protocol': 'Inference and models as the Open Inference Protocol v2 defines them.',
  Models: 'Push, list, configure and remove models.',
  Jobs: 'Asynchronous requests.',
  Files: 'Datasets and results of batches, as OpenAI’s clients handle them.',
  Batches: 'Datasets that are scored asynchronously, as OpenAI’s clients handle them, and tables of rows.',
  Traces: 'Where the trace of a request can be looked up.',
  Operations: 'Health, metrics, backlog and this document.',
} as const;

export type RouteTag = keyof typeof ROUTE_TAGS;
