import { BATCH_ROUTES } from './batch-routes.ts';
import { FILE_ROUTES } from './file-routes.ts';
import { INFERENCE_ROUTES } from './inference-routes.ts';
import { JOB_ROUTES } from './job-routes.ts';
import { MODEL_ROUTES } from './model-routes.ts';
import { OPERATIONS_ROUTES } from './operations-routes.ts';
import type { Route } from './route.ts';

export { ROUTE_TAGS } from './route.ts';
export type { Access, Route, RouteContent, RouteExample, RouteResponse } from './route.ts';

/** Every route of the HTTP API. */
export const ROUTES: readonly Route[] = [
  ...INFERENCE_ROUTES,
  ...MODEL_ROUTES,
  ...JOB_ROUTES,
  ...FILE_ROUTES,
  ...BATCH_ROUTES,
  ...OPERATIONS_ROUTES,
];
