import type { Graph } from '../graph.ts';
import { canonicalizeOutputs } from './canonicalize-outputs.ts';
import { lowerSimpleTuples } from './lower-tuples.ts';
import { poolConstants } from './pool-constants.ts';
import { propagateConstants } from './propagate-constants.ts';

/** What PyTorch does to every graph after it was made from code. */
export function cleanUp(graph: Graph): void {
  lowerSimpleTuples(graph);
  propagateConstants(graph);
  poolConstants(graph);
  canonicalizeOutputs(graph);
}
