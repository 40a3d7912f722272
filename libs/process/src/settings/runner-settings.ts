import { integer, text, type Setting } from './setting.ts';

const WORKER = ['worker'] as const;
/** Programs that run models. */
const RUNNER = ['worker', 'serve'] as const;

/** Environment variables of the programs that run models. */
export const RUNNER_SETTINGS = {
  SCONCE_POOL: text({
    programs: WORKER,
    expected: 'up to 64 letters, digits, dashes and underscores; the first is a letter or a digit',
    pattern: /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/,
    about: 'The pool of this worker. The worker takes jobs of this pool’s queues.',
    default: 'default',
  }),
  SCONCE_THREADS: integer({
    programs: RUNNER,
    max: 256,
    about: 'Inference threads.',
    whenUnset: 'the CPUs of the container’s quota, rounded down; without a quota, the CPUs of the machine',
  }),
  SCONCE_INTRA_OP_THREADS: integer({
    programs: RUNNER,
    max: 256,
    about: 'ONNX Runtime’s own threads in each session.',
    whenUnset: 'the number that registration measured, usually 1',
  }),
  SCONCE_MAX_BATCH_ROWS: integer({
    programs: RUNNER,
    max: 65_536,
    about: 'Most rows in one run, if the model’s configuration does not set it.',
    default: 64,
  }),
  SCONCE_MAX_RUN_MS: integer({
    programs: RUNNER,
    min: 100,
    unit: 'ms',
    about:
      'Longest time that a run or the loading of a model may take. A run that takes longer ends its worker; its request runs alone, and is ended after this time.',
    default: 120_000,
  }),
  SCONCE_MAX_MODELS_PER_THREAD: integer({
    programs: RUNNER,
    max: 1_024,
    about: 'Most models that a thread keeps loaded.',
    default: 16,
  }),
  SCONCE_MAX_MODEL_BYTES_PER_THREAD: integer({
    programs: RUNNER,
    unit: 'bytes',
    about: 'Most bytes of model files that a thread keeps loaded. A larger model is refused.',
    whenUnset:
      '2 GiB, or a thread’s share of the container’s memory after 512 MiB and the memory of a registration, if that is less',
  }),
  SCONCE_ONLINE_CONCURRENCY: integer({
    programs: WORKER,
    about: 'Jobs of the online queue in flight at once.',
    whenUnset: '4 for each thread',
  }),
  SCONCE_BATCH_CONCURRENCY: integer({
    programs: WORKER,
    about: 'Jobs of the batch queue in flight at once.',
    whenUnset: '4 for each thread',
  }),
  SCONCE_REGISTRATION_MEMORY_BYTES: integer({
    programs: RUNNER,
    unit: 'bytes',
    about: 'Most memory that the process of a registration may take. Mapped files are not counted.',
    whenUnset: 'half of the memory of the container or machine above 512 MiB',
  }),
  SCONCE_REGISTRATION_TIMEOUT_MS: integer({
    programs: RUNNER,
    unit: 'ms',
    about: 'How long a registration may take.',
    default: 600_000,
  }),
  SCONCE_POD_NAME: text({
    programs: WORKER,
    about:
      'Name of this pod, from the downward API. With it and `SCONCE_POD_NAMESPACE`, the worker keeps the deletion cost of its pod up to date.',
  }),
  SCONCE_POD_NAMESPACE: text({ programs: WORKER, about: 'Namespace of this pod, from the downward API.' }),
  SCONCE_SERVE_CACHE: text({
    programs: ['serve'],
    expected: 'a folder',
    about: 'Folder where `sconce serve` keeps compilations.',
    whenUnset: 'the folder `.sconce-serve` beside each model file',
  }),
} as const satisfies Readonly<Record<string, Setting>>;
