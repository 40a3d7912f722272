import type { ModelStats } from '@sconce/contracts';
import type { CountAndTime, ModelStatistics } from '@sconce/queue';

const NONE: CountAndTime = { count: 0, ns: 0 };

/** The statistics of one version, as the statistics extension defines them. */
export function toModelStats(name: string, version: string, statistics: ModelStatistics): ModelStats {
  const { success, fail, failures, queue, batchWait, run, output } = statistics;
  return {
    name,
    version,
    last_inference: statistics.lastInferenceMs,
    inference_count: statistics.inferenceCount,
    execution_count: statistics.executionCount,
    inference_stats: {
      success,
      fail,
      fail_by_reason: failures,
      // A request waits twice before its run: in the queue, and in a worker for a thread.
      queue: { count: queue.count, ns: queue.ns + batchWait.ns },
      compute_input: { count: run.count, ns: 0 },
      compute_infer: run,
      compute_output: { count: run.count, ns: output.ns },
      cache_hit: NONE,
      cache_miss: NONE,
    },
    response_stats: {},
    batch_stats: statistics.batches.map(({ rows, count, ns, outputNs }) => ({
      batch_size: rows,
      compute_input: { count, ns: 0 },
      compute_infer: { count, ns },
      compute_output: { count, ns: outputNs },
    })),
    memory_usage: [],
  };
}
