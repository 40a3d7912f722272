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

/** Requests over HTTP, at the API. */
const HTTP = {
  requestDuration: histogram(
    'http_server_request_duration_seconds',
    {
      description: 'Time from a request’s arrival to its answer; its count is that of the requests',
      unit: 's',
      buckets: SECONDS,
      convention: 'http.server.request.duration',
    },
    ['http_request_method', 'http_route', 'http_response_status_code', 'error_type', 'model'],
  ),
  outstandingRequests: gauge('sconce_outstanding_requests', {
    description: 'Requests of this API process that wait for a worker’s answer',
    unit: '{request}',
  }),
  replyMisses: counter('sconce_reply_misses_total', {
    description: 'Replies that came when nobody waited for them any more',
    unit: '{reply}',
  }),
} as const;

/** The queues and Redis, as every API process sees them: the same values from each, so take the maximum. */
const QUEUES = {
  queueJobs: gauge(
    'sconce_queue_jobs',
    { description: 'Jobs in a queue by state: waiting, prioritized, delayed, active', unit: '{job}' },
    ['queue', 'state'],
  ),
  queueOldestAge: gauge(
    'sconce_queue_oldest_age_seconds',
    { description: 'How long ago the job that a worker takes next was added; 0 where none waits', unit: 's' },
    ['queue'],
  ),
  poolWorkers: gauge('sconce_pool_workers', { description: 'Workers that serve a pool', unit: '{worker}' }, ['pool']),
  poolBacklog: gauge(
    'sconce_pool_backlog_seconds',
    { description: 'How long the pool’s workers need for what is in its queues', unit: 's' },
    ['pool'],
  ),
  redisUp: gauge('sconce_redis_up', { description: 'Whether Redis answers this process', unit: '1' }),
  redisMemory: gauge(
    'sconce_redis_memory_bytes',
    { description: 'Redis’s memory: used, and max (0 where it has no limit)', unit: 'By' },
    ['kind'],
  ),
} as const;

/** Jobs and runs, at the worker. `outcome` is `ok` or an error code. */
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
      description: 'Time a request waited in a worker for its micro-batch to fill and a thread to be free',
      unit: 's',
      buckets: SECONDS,
    },
    ['model'],
  ),
  batchRows: histogram(
    'sconce_batch_rows',
    { description: 'Rows run together in one session call', unit: '{row}', buckets: ROWS },
    ['model'],
  ),
  runDuration: histogram(
    'sconce_run_duration_seconds',
    { description: 'Time of one session call in the native runtime', unit: 's', buckets: SECONDS },
    ['model'],
  ),
  runFailures: counter('sconce_run_failures_total', { description: 'Session calls that failed', unit: '{run}' }, [
    'model',
    'error',
  ]),
  rows: counter('sconce_rows_total', { description: 'Rows scored', unit: '{row}' }, ['lane', 'model', 'outcome']),
  jobs: counter('sconce_jobs_total', { description: 'Queue jobs finished by this process', unit: '{job}' }, [
    'queue',
    'outcome',
  ]),
  jobsInFlight: upDownCounter(
    'sconce_jobs_in_flight',
    { description: 'Queue jobs this process is working on', unit: '{job}' },
    ['queue'],
  ),
  threads: gauge('sconce_threads', { description: 'Runtime threads by state: busy, idle', unit: '{thread}' }, [
    'state',
  ]),
  threadBusy: counter('sconce_thread_busy_seconds_total', {
    description: 'Time that runtime threads spent in runs and loads; its rate over sconce_threads is their utilisation',
    unit: 's',
  }),
  waitingRequests: gauge('sconce_waiting_requests', {
    description: 'Requests and blocks of chunks in this process that wait for a thread',
    unit: '{request}',
  }),
  threadCrashes: counter('sconce_thread_crashes_total', { description: 'Runtime threads lost', unit: '{thread}' }, [
    'model',
  ]),
} as const;

/** Models: at the worker, but for those that say otherwise. */
const MODELS = {
  modelLoads: counter(
    'sconce_model_loads_total',
    { description: 'Models loaded into threads of this process', unit: '{load}' },
    ['model'],
  ),
  modelLoadDuration: histogram(
    'sconce_model_load_duration_seconds',
    { description: 'Time to load a model into one thread', unit: 's', buckets: SECONDS },
    ['model'],
  ),
  modelsHeld: gauge('sconce_models_held', {
    description: 'Models loaded, summed over the threads of this process; each as of its last run',
    unit: '{model}',
  }),
  modelMemory: gauge('sconce_model_memory_bytes', {
    description: 'What the models loaded in threads of this process count against the threads’ budgets',
    unit: 'By',
  }),
  modelEvictions: counter('sconce_model_evictions_total', {
    description: 'Models that threads of this process let go to make room for others',
    unit: '{model}',
  }),
  modelDiskBytes: gauge(
    'sconce_model_disk_bytes',
    { description: 'Files of all versions of a model in the store (API)', unit: 'By' },
    ['model'],
  ),
  quarantined: gauge(
    'sconce_quarantined_versions',
    { description: 'Versions of a model that are not run because their runs did not end (API)', unit: '{version}' },
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

/** Batches, at the worker. */
const BATCHES = {
  chunkDuration: histogram(
    'sconce_chunk_duration_seconds',
    {
      description: 'Time from a chunk’s delivery to the end of its results, reading and writing included',
      unit: 's',
      buckets: LONG_SECONDS,
    },
    ['model'],
  ),
  chunks: counter(
    'sconce_chunks_total',
    {
      description:
        'Deliveries of chunks by outcome: committed, overtaken (another delivery counted), retried, handed_back (by a shutdown), given_up, cancelled',
      unit: '{chunk}',
    },
    ['model', 'outcome'],
  ),
  batches: counter(
    'sconce_batches_total',
    { description: 'Batches that ended, by their final state', unit: '{batch}' },
    ['outcome'],
  ),
  webhooks: counter(
    'sconce_webhook_attempts_total',
    { description: 'Attempts to deliver a webhook: delivered, failed, given_up (no more attempts)', unit: '{attempt}' },
    ['outcome'],
  ),
} as const;

/** Every process. */
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
    description: 'Share of the time since the last scrape in which the event loop was busy',
    unit: '1',
    convention: 'nodejs.eventloop.utilization',
  }),
  cpuTime: observedCounter(
    'process_cpu_time_seconds_total',
    {
      description: 'CPU time of this process, all threads: user, system',
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
      description: 'Memory in use in the main thread’s heap, by space',
      unit: 'By',
      convention: 'v8js.memory.heap.used',
    },
    ['v8js_heap_space_name'],
  ),
  externalMemory: gauge(
    'sconce_external_memory_bytes',
    {
      description: 'Memory outside the heap that V8 knows of: external, and array_buffers as a part of it',
      unit: 'By',
    },
    ['kind'],
  ),
} as const;

/**
 * Every metric of the product. Values of time are seconds.
 *
 * Names follow OpenTelemetry's semantic conventions, as Prometheus writes them, where a convention means the very thing: HTTP requests
 * (stable), Node's event loop, the process and V8's heap (not yet stable, but what runtime instrumentations send). Queues have names of
 * their own: the conventions for messaging count single messages of a client, and would call an attempt at a job, a merged request and a
 * chunk of a dataset by one name.
 */
export const METRICS = { ...HTTP, ...QUEUES, ...WORK, ...MODELS, ...BATCHES, ...PROCESS } as const satisfies Record<
  string,
  MetricDefinition
>;

export type MetricKey = keyof typeof METRICS;
