/**
 * The environment variables of every process of Sconce but the API. A process reads them once, when it starts.
 *
 * `MALLOC_…` are for glibc's allocator; no other allocator reads them.
 * - The thresholds: loading a model briefly takes buffers as large as its largest weights. By default, after the first such buffer was
 *   freed, glibc takes the next ones from its heap and keeps them: 16 MiB more for each session of a 100 MB model. With a fixed threshold,
 *   above which memory is given back at once, it is 0.1 MiB (measured, `bench/registration/saved-form.bench.ts`). The source texts of the
 *   start exceed one megabyte as well: that saves 4 MB in each process.
 * - The arenas: by default each thread has its own arena, and gaps in it stay unused. One arena for all threads takes 4 MB less than two
 *   when the process is idle. Two take 30 MB less than many while a batch runs. The speed is the same (measured).
 *
 * `NODE_OPTIONS`:
 * - Without its start-up snapshot Node starts 60 ms later and takes 5 MB less, or 8 MB with two threads (measured,
 *   `bench/memory/idle.bench.ts`).
 * - The semi-space size bounds V8's young generation: by default it grows to 64 MiB under load and keeps that size. Objects that live as
 *   long as a request outlive a small young generation: with 8 MiB or less throughput falls, with more than 16 MiB it does not rise
 *   (measured with 64 requests in flight).
 */
export const PROCESS_ENVIRONMENT = {
  MALLOC_MMAP_THRESHOLD_: String(1024 ** 2),
  MALLOC_TRIM_THRESHOLD_: String(16 * 1024 ** 2),
  MALLOC_ARENA_MAX: '1',
  NODE_OPTIONS: '--max-semi-space-size=16 --no-node-snapshot',
} as const;

/**
 * The environment variables of an API process. It holds the requests of all callers, so its young generation is larger: with 256 requests in
 * flight a request costs 57 to 63 µs of CPU with 16 MiB and 37 to 46 µs with 24 MiB. The process takes 11 MB more; 32 MiB take 20 MB more and
 * are no faster (measured, ADR 62).
 */
export const API_ENVIRONMENT = {
  ...PROCESS_ENVIRONMENT,
  NODE_OPTIONS: '--max-semi-space-size=24 --no-node-snapshot',
} as const;
