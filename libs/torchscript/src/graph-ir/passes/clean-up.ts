import type { Graph } from '../graph.ts';
import { canonicalizeOutputs } from './canonicalize-outputs.ts';
import { liftForks } from './lift-forks.ts';
import { lowerSimpleTuples } from './lower-tuples.ts';
import { poolConstants } from './pool-constants.ts';
import { propagateConstants } from './propagate-constants.ts';
import { simplify } from './simplify.ts';

/** The passes that PyTorch runs on a graph before it inlines it. Calls inside the graph are already inlined. */
export function prepareForInlining(graph: Graph): void {
  simplify(graph);
  propagateConstants(graph);
  poolConstants(graph);
}

/** The passes that PyTorch runs on every graph that it makes from code. */
export function cleanUp(graph: Graph): void {
  liftForks(graph);
  lowerSimpleTuples(graph);
  propagateConstants(graph);
  poolConstants(graph);
  canonicalizeOutputs(graph);
}
