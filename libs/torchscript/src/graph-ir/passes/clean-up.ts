import type { Graph } from '../graph.ts';
import { canonicalizeOutputs } from './canonicalize-outputs.ts';
import { liftForks } from './lift-forks.ts';
import { lowerSimpleTuples } from './lower-tuples.ts';
import { poolConstants } from './pool-constants.ts';
import { propagateConstants } from './propagate-constants.ts';
import { simplify } from './simplify.ts';

/** What PyTorch does to a graph before it puts it in the place of calls, once calls within it are replaced themselves. */
export function prepareForInlining(graph: Graph): void {
  simplify(graph);
  propagateConstants(graph);
  poolConstants(graph);
}

/** What PyTorch does to every graph after it was made from code. */
export function cleanUp(graph: Graph): void {
  liftForks(graph);
  lowerSimpleTuples(graph);
  propagateConstants(graph);
  poolConstants(graph);
  canonicalizeOutputs(graph);
}
