import type { Scope } from '@sconce/keys';

/** What a request needs: nothing, any key, or a key with a scope. */
export type Need = 'nothing' | 'key' | Scope;

/** The first rule that matches applies. Routes are written as they are declared: `/v1/jobs/:id`. */
const RULES: readonly (readonly [method: RegExp, route: RegExp, need: Need])[] = [
  [/./, /^\/v2\/health\//, 'nothing'],
  [/./, /^\/docs/, 'nothing'],
  [/./, /^\/metrics/, 'admin'],
  [/./, /^\/v1\/jobs/, 'infer'],
  [/./, /^\/v2\/models\/.*\/infer$/, 'infer'],
  [/./, /^\/v1\/(files|batches)/, 'batch'],
  [/./, /^\/v2\/repository\/index/, 'key'],
  [/./, /^\/v2\/repository\//, 'models'],
  [/^(POST|PUT|PATCH|DELETE)$/, /^\/v1\/models/, 'models'],
];

/** What a request to a route (`/v2/models/:model/infer`) needs. A route without a rule only reads, or does not exist: any key is enough. */
export function needOf(method: string, route: string): Need {
  // The route of most requests: the table is for all others.
  if (method === 'POST' && route === '/v2/models/:model/infer') return 'infer';
  return RULES.find(([methods, routes]) => methods.test(method) && routes.test(route))?.[2] ?? 'key';
}

/** Whether a key with these scopes meets a need. */
export function meets(scopes: readonly Scope[], need: Need): boolean {
  return need === 'nothing' || need === 'key' || scopes.includes('admin') || scopes.includes(need);
}
