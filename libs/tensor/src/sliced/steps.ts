/**
 * Work in steps: it yields after about 64 KiB of input, some 100 µs, so that whoever runs it can let other work go first. `runToEnd` runs
 * it at once.
 */
export type Steps<T> = Generator<undefined, T, undefined>;

/** Bytes that one step takes. */
export const STEP_BYTES = 64 * 1024;

/** Runs all steps one after another. */
export function runToEnd<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
