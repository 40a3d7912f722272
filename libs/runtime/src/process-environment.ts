/**
 * What to start a process with that is to hold models: glibc's allocator reads these once, at the start.
 *
 * Loading a model takes buffers as large as its largest weights for a moment. By default glibc, once it has seen one such
 * buffer freed, takes the next from its heap and keeps it: 16 MiB more for each session of a 100 MB model, against 0.1 MiB with a fixed
 * limit above which memory goes back at once (measured, `bench/registration/saved-form.bench.ts`). No other allocator reads them.
 */
export const PROCESS_ENVIRONMENT = {
  MALLOC_MMAP_THRESHOLD_: String(4 * 1024 ** 2),
  MALLOC_TRIM_THRESHOLD_: String(16 * 1024 ** 2),
} as const;
