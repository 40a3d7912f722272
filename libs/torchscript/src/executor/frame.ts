import type { Value } from '../symbolic/values.ts';

/** The variables of one function call, by name. */
export type Frame = Map<string, Value>;
