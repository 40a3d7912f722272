import type { Emitter } from '../symbolic/emitter.ts';
import type { FlatOutput } from './flatten-outputs.ts';
import type { OutputList } from './output-lists.ts';
import type { StateVariable } from './module-state.ts';

/** The result of executing a method: its graph, its outputs and the state that it changes. */
export interface Execution {
  readonly emitter: Emitter;
  readonly outputs: readonly FlatOutput[];
  /** The outputs that hold lists of unknown length. */
  readonly lists: readonly OutputList[];
  readonly state: readonly StateVariable[];
}
