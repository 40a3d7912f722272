import { choice, flag, integer, list, text, type Setting } from './setting.ts';

const BOTH = ['api', 'worker'] as const;
const API = ['api'] as const;
const WORKER = ['worker'] as const;
const PORT = { min: 0, max: 65_535 } as const;

/** Every environment variable of the product that begins with `SCONCE_`. */
export const SETTINGS = {
  SCONCE_HOST: text({
    programs: BOTH,
    about:
      'Address to listen on. Anything but a loopback address wants API keys (`SCONCE_KEYS_FILE`) or `SCONCE_AUTH=off`, at the API.',
    fallback: '127.0.0.1',
  }),
  SCONCE_PORT: integer({ ...PORT, programs: API, about: 'HTTP port; 0 takes a free one.', fallback: '8000' }),
  SCONCE_METRICS_PORT: integer({
    ...PORT,
    programs: BOTH,
    about: 'Port of `/metrics`, `/health/…` and, at the API, `/backlog/…`; 0 takes a free one.',
    fallback: '8002',
  }),
  SCONCE_KEYS_FILE: text({
    programs: API,
    expected: 'the path of a JSON file',
    about: 'API keys: hashes, scopes, limits. Read again whenever it changes. Without it nobody is asked for a key.',
  }),
  SCONCE_AUTH: choice({
    programs: API,
    of: ['keys', 'off'],
    about: 'Whether callers need a key. `off` says that something in front of the API sees to that.',
    fallback: '`keys` where `SCONCE_KEYS_FILE` is set',
  }),
  SCONCE_REDIS_URL: text({
    programs: BOTH,
    expected: 'redis://… or rediss://… (TLS), with user and password where there are any',
    pattern: /^rediss?:\/\//,
    about:
      'Redis: `redis://user:password@host:6379/0`. A certificate authority that the system does not know goes into Node’s `NODE_EXTRA_CA_CERTS`.',
    fallback: 'redis://127.0.0.1:6379',
    secret: true,
  }),
  SCONCE_KEY_PREFIX: text({
    programs: BOTH,
    expected: 'letters, digits, dots, dashes and underscores',
    pattern: /^[A-Za-z0-9._-]*$/,
    about: 'Put in front of every Redis key, so that several installations can share one Redis.',
    fallback: 'empty',
  }),
  SCONCE_DATA: text({
    programs: BOTH,
    expected: 'a folder, or s3://bucket/prefix',
    about: 'The blob store (models, datasets, results): the same for the API and all workers.',
    fallback: '.sconce/blobs',
  }),
  SCONCE_DATASET_ROOTS: list({
    programs: BOTH,
    expected: 'folders and s3://bucket/prefix, separated by commas',
    about: 'Places from which datasets may be read where they are.',
    fallback: 'none',
  }),
  SCONCE_S3_ENDPOINT: text({ programs: BOTH, expected: 'http(s)://host:port', about: 'S3 server that is not AWS.' }),
  SCONCE_S3_REGION: text({ programs: BOTH, about: 'Region of the buckets.', fallback: 'what the AWS SDK finds' }),
  SCONCE_S3_FORCE_PATH_STYLE: flag({
    programs: BOTH,
    about: '`https://host/bucket/key` instead of `https://bucket.host/key`.',
    fallback: 'true with an endpoint',
  }),
  SCONCE_S3_ACCESS_KEY_ID: text({
    programs: BOTH,
    about: 'Access key; goes with the secret one.',
    fallback: 'what the AWS SDK finds (environment, files, the role of the machine or pod)',
    secret: true,
  }),
  SCONCE_S3_SECRET_ACCESS_KEY: text({ programs: BOTH, about: 'Secret access key.', secret: true }),
  SCONCE_S3_CACHE: text({
    programs: BOTH,
    expected: 'a folder',
    about: 'Copies of blobs on this machine; processes may share it.',
    fallback: 'a folder of the user’s in the temporary folder',
  }),
  SCONCE_S3_CACHE_BYTES: integer({
    programs: BOTH,
    unit: 'bytes',
    about: 'What the copies may take.',
    fallback: '20 GiB',
  }),
  SCONCE_LOG_LEVEL: choice({
    programs: BOTH,
    of: ['trace', 'debug', 'info', 'warn', 'error', 'fatal'],
    about: 'Least level that is logged.',
    fallback: 'info',
  }),
  SCONCE_TRACES_PER_SECOND: integer({
    programs: BOTH,
    about:
      'New traces a second that each process records, at most, of those that `OTEL_TRACES_SAMPLER` takes; a caller’s own decision holds. Bounds what tracing costs under load.',
    fallback: 'no bound',
  }),
  SCONCE_TRACE_URL: text({
    programs: ['api', 'cli'],
    expected: 'http(s)://host:port',
    pattern: /^https?:\/\//,
    about:
      'Where traces can be looked up: the query address of Jaeger (`http://jaeger:16686`) or Tempo (`http://tempo:3200`). Jobs and batches then have the address of their trace, which `sconce trace` reads; set for `sconce`, it comes before what the server says.',
  }),
  SCONCE_WEBHOOK_ALLOW_PRIVATE: flag({
    programs: BOTH,
    about: 'Whether webhooks may go to private addresses, and without TLS.',
    fallback: 'false',
  }),
  SCONCE_BATCH_TTL_SECONDS: integer({
    programs: BOTH,
    unit: 'seconds',
    about: 'How long an ended batch and its results are kept.',
    fallback: '2592000 (30 days)',
  }),
  SCONCE_RESULT_TTL_SECONDS: integer({
    programs: BOTH,
    unit: 'seconds',
    about: 'How long a finished job’s result can be fetched.',
    fallback: '86400',
  }),
  SCONCE_SHUTDOWN_GRACE_MS: integer({
    programs: BOTH,
    unit: 'ms',
    about:
      'How long a shutdown waits for what is under way. What a worker has left then goes to another. Less than what kills the process (`terminationGracePeriodSeconds`).',
    fallback: '25000',
  }),
  SCONCE_DRAIN_DELAY_MS: integer({
    programs: API,
    unit: 'ms',
    min: 0,
    max: 600_000,
    about:
      'How long the API goes on as before once it is told to stop, but for saying that it is not ready, and closing connections with their next answer: time for load balancers to notice.',
    fallback: '0',
  }),
  SCONCE_MAX_BODY_BYTES: integer({
    programs: API,
    unit: 'bytes',
    about: 'Largest request body, after decompression.',
    fallback: '67108864 (64 MiB)',
  }),
  SCONCE_MAX_FILE_BYTES: integer({
    programs: API,
    unit: 'bytes',
    about: 'Largest file that may be uploaded.',
    fallback: '107374182400 (100 GiB)',
  }),
  SCONCE_MAX_ARTIFACT_BYTES: integer({
    programs: API,
    unit: 'bytes',
    about: 'Largest model that may be pushed.',
    fallback: '17179869184 (16 GiB)',
  }),
  SCONCE_MAX_BATCHES: integer({
    programs: API,
    about: 'Batches that have not ended, beyond which more are refused.',
    fallback: '1000',
  }),
  SCONCE_MAX_BACKLOG: integer({
    programs: API,
    about: 'Jobs waiting in one queue, beyond which requests are refused (429).',
    fallback: '10000',
  }),
  SCONCE_MAX_OUTSTANDING: integer({
    programs: API,
    about: 'Requests of one API process that wait for an answer, beyond which more are refused (429).',
    fallback: '10000',
  }),
  SCONCE_REQUEST_TIMEOUT_MS: integer({
    programs: API,
    max: 3_600_000,
    unit: 'ms',
    about: 'How long a request may take where it does not say.',
    fallback: '60000',
  }),
  SCONCE_JOB_TTL_SECONDS: integer({
    programs: API,
    unit: 'seconds',
    about: 'How long an accepted job may wait before it runs.',
    fallback: '86400',
  }),
  SCONCE_POOL: text({
    programs: WORKER,
    expected: 'up to 64 letters, digits, dashes and underscores, the first no dash or underscore',
    pattern: /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/,
    about: 'The pool whose queues this worker serves.',
    fallback: 'default',
  }),
  SCONCE_THREADS: integer({
    programs: WORKER,
    max: 256,
    about: 'Inference threads.',
    fallback: 'the CPUs of the container’s quota, rounded down, else of the machine',
  }),
  SCONCE_INTRA_OP_THREADS: integer({
    programs: WORKER,
    max: 256,
    about: 'ONNX Runtime’s own threads in each session.',
    fallback: 'what registration measured, mostly 1',
  }),
  SCONCE_MAX_BATCH_ROWS: integer({
    programs: WORKER,
    max: 65_536,
    about: 'Most rows in one session call, where the model does not say.',
    fallback: '64',
  }),
  SCONCE_MAX_RUN_MS: integer({
    programs: WORKER,
    min: 100,
    unit: 'ms',
    about:
      'Longest that a run, or the loading of a model, may take. A worker in which one takes longer hands its work back and ends.',
    fallback: '120000',
  }),
  SCONCE_MAX_MODELS_PER_THREAD: integer({
    programs: WORKER,
    max: 1_024,
    about: 'Models that a thread keeps loaded.',
    fallback: '16',
  }),
  SCONCE_MAX_MODEL_BYTES_PER_THREAD: integer({
    programs: WORKER,
    unit: 'bytes',
    about: 'Model files that a thread keeps loaded; a model that is larger is refused.',
    fallback: '2 GiB, or less where that with 512 MiB and a registration is more than the container has',
  }),
  SCONCE_ONLINE_CONCURRENCY: integer({
    programs: WORKER,
    about: 'Jobs of the online queue under way at once.',
    fallback: '4 for each thread',
  }),
  SCONCE_BATCH_CONCURRENCY: integer({
    programs: WORKER,
    about: 'Jobs of the batch queue under way at once.',
    fallback: '4 for each thread',
  }),
  SCONCE_REGISTRATION_MEMORY_BYTES: integer({
    programs: WORKER,
    unit: 'bytes',
    about: 'Memory that the process of a registration may take, files not counted.',
    fallback: 'half of what the container or machine has beyond 512 MiB',
  }),
  SCONCE_REGISTRATION_TIMEOUT_MS: integer({
    programs: WORKER,
    unit: 'ms',
    about: 'How long a registration may take.',
    fallback: '600000',
  }),
  SCONCE_POD_NAME: text({
    programs: WORKER,
    about: 'This pod, from the downward API: with the namespace, the worker keeps its pod’s deletion cost current.',
  }),
  SCONCE_POD_NAMESPACE: text({ programs: WORKER, about: 'This pod’s namespace, from the downward API.' }),
  SCONCE_URL: text({
    programs: ['cli'],
    expected: 'http(s)://host:port',
    about: 'The server that client commands talk to.',
    fallback: 'http://127.0.0.1:8000',
  }),
  SCONCE_API_KEY: text({ programs: ['cli'], about: 'The API key that client commands send.', secret: true }),
} as const satisfies Readonly<Record<string, Setting>>;

export type SettingName = keyof typeof SETTINGS;
