/** One metric: its Prometheus name, what it counts, and the labels that every value carries. */
export interface MetricDefinition {
  readonly name: `sconce_${string}`;
  readonly kind: 'histogram' | 'counter' | 'up-down-counter' | 'gauge';
  readonly description: string;
  /** UCUM: `s`, `By`, `{row}`. Names carry the unit as Prometheus wants it. */
  readonly unit: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets, in `unit`. */
  readonly buckets?: readonly number[];
}

/** 0.5 ms to 30 s: from a small model's one row to a large model's whole chunk. */
const SECONDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
] as const satisfies readonly number[];
const ROWS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096] as const satisfies readonly number[];

/** Every metric of the product. Values of time are seconds. `outcome` is `ok` or an error code. */
export const METRICS = {
  requestDuration: {
    name: 'sconce_request_duration_seconds',
    kind: 'histogram',
    description: 'Time from a request’s arrival to its answer',
    unit: 's',
    labels: ['route', 'model', 'outcome'],
    buckets: SECONDS,
  },
  requests: {
    name: 'sconce_requests_total',
    kind: 'counter',
    description: 'Requests answered',
    unit: '{request}',
    labels: ['route', 'model', 'outcome'],
  },
  queueWait: {
    name: 'sconce_queue_wait_seconds',
    kind: 'histogram',
    description: 'Time a job waited in its queue before a worker took it',
    unit: 's',
    labels: ['lane', 'model'],
    buckets: SECONDS,
  },
  batchWait: {
    name: 'sconce_batch_wait_seconds',
    kind: 'histogram',
    description: 'Time a request waited in a worker for its micro-batch to fill',
    unit: 's',
    labels: ['model'],
    buckets: SECONDS,
  },
  batchRows: {
    name: 'sconce_batch_rows',
    kind: 'histogram',
    description: 'Rows run together in one session call',
    unit: '{row}',
    labels: ['model'],
    buckets: ROWS,
  },
  runDuration: {
    name: 'sconce_run_duration_seconds',
    kind: 'histogram',
    description: 'Time of one session call in the native runtime',
    unit: 's',
    labels: ['model'],
    buckets: SECONDS,
  },
  rows: {
    name: 'sconce_rows_total',
    kind: 'counter',
    description: 'Rows scored',
    unit: '{row}',
    labels: ['lane', 'model', 'outcome'],
  },
  jobs: {
    name: 'sconce_jobs_total',
    kind: 'counter',
    description: 'Queue jobs finished by this process',
    unit: '{job}',
    labels: ['queue', 'outcome'],
  },
  jobsInFlight: {
    name: 'sconce_jobs_in_flight',
    kind: 'up-down-counter',
    description: 'Queue jobs this process is working on',
    unit: '{job}',
    labels: ['queue'],
  },
  backlog: {
    name: 'sconce_backlog_jobs',
    kind: 'gauge',
    description: 'Jobs that wait in a queue; what autoscaling reads',
    unit: '{job}',
    labels: ['queue'],
  },
  replyMisses: {
    name: 'sconce_reply_misses_total',
    kind: 'counter',
    description: 'Replies that came when nobody waited for them any more',
    unit: '{reply}',
    labels: [],
  },
  modelLoads: {
    name: 'sconce_model_loads_total',
    kind: 'counter',
    description: 'Models loaded into threads of this process',
    unit: '{load}',
    labels: ['model'],
  },
  modelLoadDuration: {
    name: 'sconce_model_load_duration_seconds',
    kind: 'histogram',
    description: 'Time to load a model into one thread',
    unit: 's',
    labels: ['model'],
    buckets: SECONDS,
  },
  modelsHeld: {
    name: 'sconce_models_held',
    kind: 'gauge',
    description: 'Models loaded, summed over the threads of this process; each as of its last run',
    unit: '{model}',
    labels: [],
  },
  modelMemory: {
    name: 'sconce_model_memory_bytes',
    kind: 'gauge',
    description: 'What the models loaded in threads of this process count against the threads’ budgets',
    unit: 'By',
    labels: [],
  },
  modelEvictions: {
    name: 'sconce_model_evictions_total',
    kind: 'counter',
    description: 'Models that threads of this process let go to make room for others',
    unit: '{model}',
    labels: [],
  },
  modelDiskBytes: {
    name: 'sconce_model_disk_bytes',
    kind: 'gauge',
    description: 'Files of all versions of a model in the store',
    unit: 'By',
    labels: ['model'],
  },
  threadCrashes: {
    name: 'sconce_thread_crashes_total',
    kind: 'counter',
    description: 'Runtime threads lost',
    unit: '{thread}',
    labels: ['model'],
  },
  eventLoopLag: {
    name: 'sconce_event_loop_lag_seconds',
    kind: 'gauge',
    description: 'Event loop lag since the last scrape: p50, p99, max',
    unit: 's',
    labels: ['quantile'],
  },
  processMemory: {
    name: 'sconce_process_memory_bytes',
    kind: 'gauge',
    description: 'Memory of this process: rss, heap_used, heap_total, external, array_buffers',
    unit: 'By',
    labels: ['kind'],
  },
} as const satisfies Record<string, MetricDefinition>;

export type MetricKey = keyof typeof METRICS;
