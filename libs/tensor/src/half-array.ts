import { Float16Array as Ponyfill } from '@petamoriken/float16';

/** `Float16Array`, or what behaves like it where the platform has none: Node before 24 and older browsers. */
export const HalfArray: Float16ArrayConstructor =
  (globalThis as { Float16Array?: Float16ArrayConstructor }).Float16Array ??
  (Ponyfill as unknown as Float16ArrayConstructor);
