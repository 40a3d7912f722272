import { RUNNER_SETTINGS } from './runner-settings.ts';
import { choice, flag, integer, list, text, type Setting } from './setting.ts';

const BOTH = ['api', 'worker'] as const;
const API = ['api'] as const;
const WORKER = ['worker'] as const;
/** Programs that answer HTTP requests. */
const SERVER = ['api', 'serve'] as const;
/** Programs that run models. */
const RUNNER = ['worker', 'serve'] as const;
const EVERY = ['api', 'worker', 'serve'] as const;
const PORT = { min: 0, max: 65_535 } as const;

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const DAY_SECONDS = 86_400;

/** All environment variables of the product that begin with `SCONCE_`, with their defaults. */
export const SETTINGS = {
  SCONCE_HOST: text({
    programs: EVERY,
    about:
      'Address to listen on. For an address that is not loopback, the API needs `SCONCE_KEYS_FILE` or `SCONCE_AUTH=off`.',
    default: '127.0.0.1',
  }),
  SCONCE_PORT: integer({ ...PORT, programs: SERVER, about: 'HTTP port. 0 means any free port.', default: 8_000 }),
  SCONCE_GRPC_PORT: integer({
    ...PORT,
    programs: SERVER,
    about:
      'Port of gRPC. 0 means any free port; not with several API processes. Its modules are loaded with the first connection.',
    whenUnset: 'no gRPC; `sconce up`, the compose file and the Kubernetes manifests set 8001',
  }),
  SCONCE_GRPC_TLS_CERT: text({
    programs: SERVER,
    expected: 'the path of a PEM file',
    about: 'Certificate chain of the gRPC port. Set it together with `SCONCE_GRPC_TLS_KEY`.',
    whenUnset: 'gRPC without TLS',
  }),
  SCONCE_GRPC_TLS_KEY: text({
    programs: SERVER,
    expected: 'the path of a PEM file',
    about: 'Private key of the gRPC port.',
  }),
  SCONCE_GRPC_TLS_CLIENT_CA: text({
    programs: SERVER,
    expected: 'the path of a PEM file',
    about: 'Authorities of callers’ certificates. With it, callers of gRPC need a certificate of one of them.',
  }),
  SCONCE_API_PROCESSES: integer({
    programs: API,
    max: 64,
    about:
      'Processes that answer on the HTTP port. With more than one, limits of one API process apply to each of them, and a process that dies is started again.',
    default: 1,
  }),
  SCONCE_METRICS_PORT: integer({
    ...PORT,
    programs: EVERY,
    about:
      'Port of `/metrics`, `/health/…` and, at the API, `/backlog/…`. 0 means any free port. `sconce serve` opens it only if it is set.',
    default: 8_002,
  }),
  SCONCE_KEYS_FILE: text({
    programs: SERVER,
    expected: 'the path of a JSON file',
    about:
      'File of API keys: hashes, scopes, limits. The API reads it again when it changes. Without it, requests need no key.',
  }),
  SCONCE_AUTH: choice({
    programs: SERVER,
    of: ['keys', 'off'],
    about: 'Whether requests need an API key. Use `off` if a proxy in front of the API checks callers.',
    whenUnset: '`keys` if `SCONCE_KEYS_FILE` is set',
  }),
  SCONCE_REDIS_URL: text({
    programs: BOTH,
    expected:
      'redis://…, rediss://… (TLS), redis+sentinel://… or rediss+sentinel://…, with user and password if Redis has them',
    pattern: /^rediss?(\+sentinel)?:\/\//,
    about:
      'Redis: `redis://user:password@host:6379/0`. With Sentinels: `redis+sentinel://user:password@host:26379,host:26379/NAME/0`, where NAME is the name of the primary; `?sentinel_username=…&sentinel_password=…` if the Sentinels ask for them. If the system does not trust the certificate authority, name it in Node’s `NODE_EXTRA_CA_CERTS`.',
    default: 'redis://127.0.0.1:6379',
    secret: true,
  }),
  SCONCE_REDIS_REPLICAS: integer({
    programs: API,
    min: 0,
    about:
      'Replicas of Redis that must have a job or a batch before it is accepted. With 0, a failover can lose what was accepted in the second before.',
    default: 0,
  }),
  SCONCE_KEY_PREFIX: text({
    programs: BOTH,
    expected: 'letters, digits, dots, dashes and underscores',
    pattern: /^[A-Za-z0-9._-]*$/,
    about: 'First part of every Redis key, so that several installations can share one Redis.',
    default: '',
  }),
  SCONCE_DATA: text({
    programs: BOTH,
    expected: 'a folder, or s3://bucket/prefix',
    about: 'The blob store for models, datasets and results. The API and all workers must use the same one.',
    default: '.sconce/blobs',
  }),
  SCONCE_DATASET_ROOTS: list({
    programs: BOTH,
    expected: 'folders and s3://bucket/prefix, separated by commas',
    about: 'Places outside the blob store from which batches may read datasets.',
  }),
  SCONCE_MAX_UNPACKED_BYTES: integer({
    programs: WORKER,
    unit: 'bytes',
    about: 'Largest dataset of a batch after decompression.',
    default: 100 * GIB,
  }),
  SCONCE_MAX_UNPACK_RATIO: integer({
    programs: WORKER,
    about: 'A compressed dataset may unpack to so many times its size. The first 64 MiB are always allowed.',
    default: 200,
  }),
  SCONCE_DATASET_TASK_MS: integer({
    programs: WORKER,
    unit: 'ms',
    min: 1_000,
    max: 24 * 3_600_000,
    about:
      'Longest time in which a thread checks, plans, scores or puts together a part of a batch, without the time of runs.',
    default: 30 * 60_000,
  }),
  SCONCE_DATASET_THREAD_MEMORY_BYTES: integer({
    programs: WORKER,
    unit: 'bytes',
    min: 64 * MIB,
    about:
      'Most memory of a thread that reads and writes datasets. A thread that needs more is replaced, and its batch gets the error.',
    whenUnset: 'a quarter of the memory, 256 MiB to 1 GiB',
  }),
  SCONCE_S3_ENDPOINT: text({
    programs: BOTH,
    expected: 'http(s)://host:port',
    about: 'Address of an S3 server that is not AWS.',
  }),
  SCONCE_S3_REGION: text({
    programs: BOTH,
    about: 'Region of the buckets.',
    whenUnset: 'the region that the AWS SDK finds; `us-east-1` with an endpoint',
  }),
  SCONCE_S3_FORCE_PATH_STYLE: flag({
    programs: BOTH,
    about: 'Use `https://host/bucket/key` instead of `https://bucket.host/key`.',
    whenUnset: 'true with an endpoint',
  }),
  SCONCE_S3_ACCESS_KEY_ID: text({
    programs: BOTH,
    about: 'Access key. Set it together with `SCONCE_S3_SECRET_ACCESS_KEY`.',
    whenUnset: 'the credentials that the AWS SDK finds (environment, files, the role of the machine or pod)',
    secret: true,
  }),
  SCONCE_S3_SECRET_ACCESS_KEY: text({ programs: BOTH, about: 'Secret access key.', secret: true }),
  SCONCE_S3_CACHE: text({
    programs: BOTH,
    expected: 'a folder',
    about: 'Folder for copies of blobs on this machine. Several processes may share it.',
    whenUnset: '`sconce-cache-<user id>` in the system’s temporary folder',
  }),
  SCONCE_S3_CACHE_BYTES: integer({
    programs: BOTH,
    unit: 'bytes',
    about: 'Most disk space that the copies may take.',
    default: 20 * GIB,
  }),
  SCONCE_LOG_LEVEL: choice({
    programs: EVERY,
    of: ['trace', 'debug', 'info', 'warn', 'error', 'fatal'],
    about: 'Lowest level that is logged.',
    default: 'info',
  }),
  SCONCE_TRACES_PER_SECOND: integer({
    programs: EVERY,
    about:
      'Most new traces that each process records in a second, of the traces that `OTEL_TRACES_SAMPLER` chooses. It limits what tracing costs under load. Requests that only read leave half of them to the others. A caller’s own decision (`traceparent`) always holds.',
    whenUnset: 'no limit',
  }),
  SCONCE_CORS_ORIGINS: list({
    programs: SERVER,
    expected: 'origins such as https://app.example.com, with commas between them, or *',
    about: 'Origins whose pages may call the server from a browser (CORS). They need a key as other callers do.',
  }),
  SCONCE_TRACE_URL: text({
    programs: ['api', 'serve', 'cli'],
    expected: 'http(s)://host:port',
    pattern: /^https?:\/\//,
    about:
      'Query address of Jaeger (`http://jaeger:16686`) or Tempo (`http://tempo:3200`). With it, the API gives jobs and batches the address of their trace, which `sconce trace` reads. If it is set for `sconce`, `sconce` uses it instead of the address from the API.',
  }),
  SCONCE_WEBHOOK_ALLOW_PRIVATE: flag({
    programs: BOTH,
    about: 'Whether webhooks may go to private addresses and may go without TLS.',
    default: false,
  }),
  SCONCE_BATCH_TTL_SECONDS: integer({
    programs: BOTH,
    unit: 'seconds',
    about: 'How long an ended batch and its results are kept.',
    default: 30 * DAY_SECONDS,
  }),
  SCONCE_RESULT_TTL_SECONDS: integer({
    programs: BOTH,
    unit: 'seconds',
    about: 'How long the result of an ended job is kept.',
    default: DAY_SECONDS,
  }),
  SCONCE_MAX_STORED_BYTES: integer({
    programs: BOTH,
    unit: 'bytes',
    about:
      'Most bytes of results of jobs, uploaded files and results of batches. Without room, new jobs, files and batches are refused (429), and running batches fail.',
    default: 1024 * GIB,
  }),
  SCONCE_MAX_STORED_BYTES_PER_OWNER: integer({
    programs: BOTH,
    unit: 'bytes',
    about: 'As `SCONCE_MAX_STORED_BYTES`, for each owner of API keys.',
    default: 256 * GIB,
  }),
  SCONCE_MAX_QUEUED_BYTES_PER_OWNER: integer({
    programs: API,
    unit: 'bytes',
    about:
      'Most bytes that the inputs of jobs of one owner of API keys may have together, until the jobs end. They are in Redis. Above this number new jobs are refused (429).',
    default: 256 * MIB,
  }),
  SCONCE_SHUTDOWN_GRACE_MS: integer({
    programs: EVERY,
    unit: 'ms',
    about:
      'How long a shutdown waits for requests and jobs in flight. A worker then hands its remaining work back to the queue. Must be shorter than the time after which the process is killed (`terminationGracePeriodSeconds`).',
    default: 25_000,
  }),
  SCONCE_DRAIN_DELAY_MS: integer({
    programs: SERVER,
    unit: 'ms',
    min: 0,
    max: 600_000,
    about:
      'How long the API still accepts connections after it is told to stop, so that load balancers notice. During this time it reports that it is not ready and closes each connection with its next answer.',
    default: 0,
  }),
  SCONCE_MAX_BODY_BYTES: integer({
    programs: SERVER,
    unit: 'bytes',
    about: 'Largest request body, after decompression.',
    default: 64 * MIB,
  }),
  SCONCE_MAX_HELD_BYTES: integer({
    programs: SERVER,
    unit: 'bytes',
    about:
      'Most bytes of bodies and answers that one process holds for requests under way. Those below 64 KiB are not counted. Above this number requests are refused (429). Owners of keys who hold less than a tenth of it are admitted up to a tenth above it.',
    whenUnset:
      'half of the memory of the container or machine that is left after 256 MiB for each API process, divided by the processes, 32 MiB to 2 GiB; `sconce serve`: as each of two API processes',
  }),
  SCONCE_MAX_JSON_VALUES: integer({
    programs: EVERY,
    about:
      'Most JSON values (objects, arrays, strings, numbers, …) of a request, or of a request line of a batch. A model’s signature usually allows far fewer.',
    default: 16 * MIB,
  }),
  SCONCE_MAX_ELEMENTS: integer({
    programs: EVERY,
    about: 'Most elements that the inputs of a request may have together.',
    default: 64 * MIB,
  }),
  SCONCE_MAX_OUTPUT_BYTES: integer({
    programs: RUNNER,
    unit: 'bytes',
    about: 'Most bytes that the outputs of a request may have together.',
    default: 64 * MIB,
  }),
  SCONCE_MAX_RUN_MEMORY_BYTES: integer({
    programs: EVERY,
    unit: 'bytes',
    about:
      'Most memory that a run may need besides the model itself, from the figures of the registration. Runs of several requests stay below it.',
    whenUnset: 'worker, `sconce serve`: a quarter of the memory, divided by the threads; API: no limit',
  }),
  SCONCE_MAX_FILE_BYTES: integer({
    programs: API,
    unit: 'bytes',
    about: 'Largest file that may be uploaded.',
    default: 100 * GIB,
  }),
  SCONCE_MAX_ARTIFACT_BYTES: integer({
    programs: API,
    unit: 'bytes',
    about: 'Largest artifact that may be pushed.',
    default: 16 * GIB,
  }),
  SCONCE_MAX_BATCHES: integer({
    programs: API,
    about: 'Most batches that have not ended. Above this number new batches are refused (429).',
    default: 1_000,
  }),
  SCONCE_MAX_UNFINISHED_PER_OWNER: integer({
    programs: API,
    about:
      'Most jobs and batches of one owner of API keys that have not ended. Above this number they are refused (429).',
    default: 5_000,
  }),
  SCONCE_MAX_EVENT_STREAMS_PER_OWNER: integer({
    programs: API,
    about:
      'Most event streams (`GET /v1/batches/{id}/events`) that one owner of API keys has open at one API process. Above this number they are refused (429).',
    default: 100,
  }),
  SCONCE_MAX_BACKLOG: integer({
    programs: API,
    about: 'Most jobs that wait in one queue. Above this number requests are refused (429).',
    default: 10_000,
  }),
  SCONCE_MAX_OUTSTANDING: integer({
    programs: SERVER,
    about:
      'Most requests of one API process that wait for an answer. Above this number requests are refused (429). Owners of keys with less than a tenth of them are admitted up to a tenth above it.',
    default: 10_000,
  }),
  SCONCE_REQUEST_TIMEOUT_MS: integer({
    programs: SERVER,
    max: 3_600_000,
    unit: 'ms',
    about: 'How long a request may take if it does not set its own timeout.',
    default: 60_000,
  }),
  SCONCE_TRANSFER_TIMEOUT_MS: integer({
    programs: SERVER,
    min: 100,
    max: 3_600_000,
    unit: 'ms',
    about:
      'Time in which a caller must send at least 16 KiB of its body, or take as much of its answer, as long as there is more. Else the request ends with 408, or the connection is closed.',
    default: 30_000,
  }),
  SCONCE_JOB_TTL_SECONDS: integer({
    programs: API,
    unit: 'seconds',
    about: 'How long an accepted job may wait before it runs.',
    default: DAY_SECONDS,
  }),
  SCONCE_LOST_JOB_SECONDS: integer({
    programs: WORKER,
    unit: 'seconds',
    about:
      'How long the queue job of a waiting job may be missing in Redis before the job fails with `worker_lost`. A running job that no worker runs fails after some 20 s.',
    default: 600,
  }),
  ...RUNNER_SETTINGS,
  SCONCE_URL: text({
    programs: ['cli'],
    expected: 'http(s)://host:port',
    about: 'Address of the API that client commands use.',
    default: 'http://127.0.0.1:8000',
  }),
  SCONCE_API_KEY: text({ programs: ['cli'], about: 'API key that client commands send.', secret: true }),
} as const satisfies Readonly<Record<string, Setting>>;

export type SettingName = keyof typeof SETTINGS;
