/**
 * What to start a process of Sconce's with: read once, at its start.
 *
 * `MALLOC_…` is for glibc's allocator. Loading a model takes buffers as large as its largest weights for a moment. By default glibc, once
 * it has seen one such buffer freed, takes the next from its heap and keeps it: 16 MiB more for each session of a 100 MB model, against
 * 0.1 MiB with a fixed limit above which memory goes back at once (measured, `bench/registration/saved-form.bench.ts`). A megabyte is a
 * limit that start-up's source texts exceed too: 4 MB of each process. Each thread would have an arena of its own, whose gaps nothing
 * fills: one for all takes 4 MB less than two when idle, two take 30 MB less than many while a batch runs, at the same speed (measured).
 * No other allocator reads these.
 *
 * `NODE_OPTIONS`: without its start-up snapshot Node starts 60 ms later and takes 5 MB less, 8 with two threads (measured,
 * `bench/memory/idle.bench.ts`). The other halves V8's young generation, which by default grows to 64 MiB under load and stays so. What
 * lives as long as a request outlives small ones: from 8 MiB down throughput falls, from 16 up it does not rise (measured with 64 requests
 * in flight).
 */
export const PROCESS_ENVIRONMENT = {
  MALLOC_MMAP_THRESHOLD_: String(1024 ** 2),
  MALLOC_TRIM_THRESHOLD_: String(16 * 1024 ** 2),
  MALLOC_ARENA_MAX: '1',
  NODE_OPTIONS: '--max-semi-space-size=16 --no-node-snapshot',
} as const;
