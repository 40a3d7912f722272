import type { FastifyInstance, FastifyRequest } from 'fastify';
import { SconceError } from '@sconce/errors';

declare module 'fastify' {
  interface FastifyInstance {
    /** The methods that routes have for a path. Absent if nothing records them. */
    methodsOf?: (path: string) => readonly string[];
  }
}

/** Records the routes that are added from now on, so that a request with a method that its path has not is told the others. */
export function installRouteMethods(fastify: FastifyInstance): void {
  const routes: { readonly pattern: RegExp; readonly methods: readonly string[] }[] = [];
  fastify.addHook('onRoute', ({ url, method }) => {
    routes.push({ pattern: patternOf(url), methods: [method].flat() });
  });
  fastify.decorate('methodsOf', (path: string) => {
    const methods = routes.filter(({ pattern }) => pattern.test(path)).flatMap((route) => route.methods);
    return [...new Set(methods)].sort();
  });
}

/** The error for a request that no route takes: `method_not_allowed` if its path has other methods, else `not_found`. */
export function noRoute({ method, url, server }: FastifyRequest): SconceError {
  const path = url.split('?')[0] ?? '';
  const methods = server.methodsOf?.(path) ?? [];
  if (methods.length === 0 || methods.includes(method)) {
    return new SconceError('not_found', `Cannot ${method} ${path}: there is no such route; /docs lists all.`);
  }
  const allow = methods.join(', ');
  return new SconceError('method_not_allowed', `${path} does not take ${method}; it takes ${allow}.`, {
    details: { allow },
  });
}

/** The paths of a route of Fastify: `:name` is one part, and `*` is the rest. */
function patternOf(url: string): RegExp {
  const parts = url.split('/').map((part) => {
    if (part.startsWith(':')) return '[^/]+';
    return part === '*' ? '.*' : part.replaceAll(/[^\w-]/g, String.raw`\$&`);
  });
  return new RegExp(`^${parts.join('/').replace(/\/$/, '')}/?$`);
}
