import {
  LONG_SECONDS,
  ROWS,
  SECONDS,
  counter,
  gauge,
  histogram,
  observedCounter,
  upDownCounter,
  type MetricDefinition,
} from './metric-definition.ts';

/** Requests over HTTP and gRPC, measured by the API. */
const HTTP = {
  requestDuration: histogram(
    'http_server_request_duration_seconds',
    {
      description: 'Time from the arrival of a request to its answer; the count is the number of requests',
      unit: 's',
      buckets: SECONDS,
      convention: 'http.server.request.duration',
    },
    ['http_request_method', 'http_route', 'http_response_status_code', 'error_type', 'model'],
  ),
  rpcDuration: histogram(
    'rpc_server_call_duration_seconds',
    {
      description:
        'Time from the arrival of a call of gRPC to its answer, or to the end of its stream; not of health and reflection',
      unit: 's',
      buckets: SECONDS,
      convention: 'rpc.server.call.duration',
    },
    ['rpc_system_name', 'rpc_method', 'rpc_response_status_code', 'error_type', 'model'],
  ),
  outstandingRequests: gauge('sconce_outstanding_requests', {
    description: 'Requests of this API process that wait for a worker’s answer',
    unit: '{request}',
  }),
  replyMisses: counter('sconce_reply_misses_total', {
    description: 'Replies that arrived after the request had stopped waiting',
    unit: '{reply}',
  }),
} as const;

/** The queues and Redis. Every API process reports the same values, so use the maximum over the processes. */
const QUEUES = {
  queueJobs: gauge(
    'sconce_queue_jobs',
    { description: 'Jobs in a queue by state: waiting, prioritized, delayed, active', unit: '{job}' },
    ['queue', 'state'],
  ),
  queueOldestAge: gauge(
    'sconce_queue_oldest_age_seconds',
    { description: 'Age of the job that a worker takes next; 0 if no job waits', unit: 's' },
    ['queue'],
  ),
  poolWorkers: gauge('sconce_pool_workers', { description: 'Workers of a pool', unit: '{worker}' }, ['pool']),
  poolBacklog: gauge(
    'sconce_pool_backlog_seconds',
    { description: 'Time that the workers of a pool need for the work in its queues', unit: 's' },
    ['pool'],
  ),
  redisUp: gauge('sconce_redis_up', { description: 'Whether Redis answers this process', unit: '1' }),
  redisMemory: gauge(
    'sconce_redis_memory_bytes',
    { description: 'Redis’s memory by kind: used, max (0 without a limit)', unit: 'By' },
    ['kind'],
  ),
} as const;

/** Jobs and runs, measured by the worker. `outcome` is `ok` or an error code. */
const WORK = {
  queueWait: histogram(
    'sconce_queue_wait_seconds',
    {
      description: 'Time a request or chunk waited in its queue before a worker took it',
      unit: 's',
      buckets: SECONDS,
    },
    ['lane', 'model'],
  ),
  batchWait: histogram(
    'sconce_batch_wait_seconds',
    {
      description: 'Time that a request waited in a worker for its micro-batch and for a free thread',
      unit: 's',
      buckets: SECONDS,
    },
    ['model'],
  ),
  batchRows: histogram('sconce_batch_rows', { description: 'Rows in one run', unit: '{row}', buckets: ROWS }, [
    'model',
  ]),
  runDuration: histogram(
    'sconce_run_duration_seconds',
    { description: 'Time of one run in ONNX Runtime', unit: 's', buckets: SECONDS },
    ['model'],
  ),
  runFailures: counter('sconce_run_failures_total', { description: 'Runs that failed', unit: '{run}' }, [
    'model',
    'error',
  ]),
  rows: counter('sconce_rows_total', { description: 'Rows scored', unit: '{row}' }, ['lane', 'model', 'outcome']),
  jobs: counter('sconce_jobs_total', { description: 'Queue jobs that this process finished', unit: '{job}' }, [
    'queue',
    'outcome',
  ]),
  jobsInFlight: upDownCounter(
    'sconce_jobs_in_flight',
    { description: 'Queue jobs that this process works on now', unit: '{job}' },
    ['queue'],
  ),
  threads: gauge('sconce_threads', { description: 'Inference threads by state: busy, idle', unit: '{thread}' }, [
    'state',
  ]),
  threadBusy: counter('sconce_thread_busy_seconds_total', {
    description:
      'Time that inference threads spent in runs and loads; its rate divided by sconce_threads is their utilisation',
    unit: 's',
  }),
  waitingRequests: gauge('sconce_waiting_requests', {
    description: 'Requests and blocks of chunks in this process that wait for a thread',
    unit: '{request}',
  }),
  threadCrashes: counter(
    'sconce_thread_crashes_total',
    { description: 'Inference threads that crashed', unit: '{thread}' },
    ['model'],
  ),
  suspects: counter(
    'sconce_suspects_total',
    {
      description: 'Requests and row groups that ran alone in the sacrificial process; outcome is ok or an error code',
      unit: '{request}',
    },
    ['model', 'outcome'],
  ),
  sacrificialEnds: counter(
    'sconce_sacrificial_process_ends_total',
    {
      description:
        'Sacrificial processes that ended while they had a run, by cause: run_ms, run_memory_bytes, a signal such as SIGABRT, or exit',
      unit: '{process}',
    },
    ['model', 'cause'],
  ),
} as const;

/** Models. The worker measures them, except the metrics that name the API. */
const MODELS = {
  modelLoads: counter(
    'sconce_model_loads_total',
    { description: 'Times that a thread of this process loaded a model', unit: '{load}' },
    ['model'],
  ),
  modelLoadDuration: histogram(
    'sconce_model_load_duration_seconds',
    { description: 'Time to load a model into one thread', unit: 's', buckets: SECONDS },
    ['model'],
  ),
  modelsHeld: gauge('sconce_models_held', {
    description: 'Loaded models, summed over the threads of this process; each thread reports them with its last run',
    unit: '{model}',
  }),
  modelMemory: gauge('sconce_model_memory_bytes', {
    description: 'Memory that loaded models use of the budgets of this process’s threads',
    unit: 'By',
  }),
  modelEvictions: counter('sconce_model_evictions_total', {
    description: 'Models that threads of this process unloaded to make room for others',
    unit: '{model}',
  }),
  modelDiskBytes: gauge(
    'sconce_model_disk_bytes',
    { description: 'Size of the files of all versions of a model in the blob store (API)', unit: 'By' },
    ['model'],
  ),
  quarantined: gauge(
    'sconce_quarantined_versions',
    {
      description: 'Versions of a model in quarantine: they are not run because loading them ended processes (API)',
      unit: '{version}',
    },
    ['model'],
  ),
  registrationDuration: histogram(
    'sconce_registration_duration_seconds',
    {
      description: 'Time to compile, prove and optimise a pushed version; outcome is ready or an error code',
      unit: 's',
      buckets: LONG_SECONDS,
    },
    ['outcome'],
  ),
} as const;

/** Batches, measured by the worker. */
const BATCHES = {
  chunkDuration: histogram(
    'sconce_chunk_duration_seconds',
    {
      description: 'Time from the delivery of a chunk until its results are written',
      unit: 's',
      buckets: LONG_SECONDS,
    },
    ['model'],
  ),
  chunks: counter(
    'sconce_chunks_total',
    {
      description:
        'Deliveries of chunks by outcome: committed, overtaken (another delivery was counted), retried, handed_back (at a shutdown), given_up, unreadable (its rows cannot be read), batch_failed, cancelled',
      unit: '{chunk}',
    },
    ['model', 'outcome'],
  ),
  batches: counter('sconce_batches_total', { description: 'Batches that ended, by final state', unit: '{batch}' }, [
    'outcome',
  ]),
  webhooks: counter(
    'sconce_webhook_attempts_total',
    { description: 'Attempts to deliver a webhook: delivered, failed, given_up (no more attempts)', unit: '{attempt}' },
    ['outcome'],
  ),
} as const;

/** Measured by every process. */
const PROCESS = {
  eventLoopDelayP50: gauge('nodejs_eventloop_delay_p50_seconds', {
    description: 'Event loop delay since the last scrape, median',
    unit: 's',
    convention: 'nodejs.eventloop.delay.p50',
  }),
  eventLoopDelayP99: gauge('nodejs_eventloop_delay_p99_seconds', {
    description: 'Event loop delay since the last scrape, 99th percentile',
    unit: 's',
    convention: 'nodejs.eventloop.delay.p99',
  }),
  eventLoopDelayMax: gauge('nodejs_eventloop_delay_max_seconds', {
    description: 'Event loop delay since the last scrape, largest',
    unit: 's',
    convention: 'nodejs.eventloop.delay.max',
  }),
  eventLoopUtilization: gauge('nodejs_eventloop_utilization_ratio', {
    description: 'Share of the time since the last scrape during which the event loop was busy',
    unit: '1',
    convention: 'nodejs.eventloop.utilization',
  }),
  cpuTime: observedCounter(
    'process_cpu_time_seconds_total',
    {
      description: 'CPU time of all threads of this process: user, system',
      unit: 's',
      convention: 'process.cpu.time',
    },
    ['cpu_mode'],
  ),
  residentMemory: gauge('process_memory_usage_bytes', {
    description: 'Physical memory of this process',
    unit: 'By',
    convention: 'process.memory.usage',
  }),
  heapUsed: gauge(
    'v8js_memory_heap_used_bytes',
    {
      description: 'Used memory of the main thread’s heap, by space',
      unit: 'By',
      convention: 'v8js.memory.heap.used',
    },
    ['v8js_heap_space_name'],
  ),
  externalMemory: gauge(
    'sconce_external_memory_bytes',
    {
      description: 'Memory outside the heap that V8 knows: external, and array_buffers, which is a part of external',
      unit: 'By',
    },
    ['kind'],
  ),
} as const;

/**
 * All metrics of the product. Times are in seconds.
 *
 * A name follows OpenTelemetry's semantic conventions, in Prometheus's spelling, if a convention means exactly this metric: HTTP requests
 * (stable), Node's event loop, the process and V8's heap (not stable, but runtime instrumentations send them). Queues have names of their
 * own. The conventions for messaging count single messages of a client; they would use one name for an attempt at a job, a merged request
 * and a chunk of a dataset.
 */
export const METRICS = { ...HTTP, ...QUEUES, ...WORK, ...MODELS, ...BATCHES, ...PROCESS } as const satisfies Record<
  string,
  MetricDefinition
>;

export type MetricKey = keyof typeof METRICS;
