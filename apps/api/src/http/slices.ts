import { Slices } from '@sconce/process/slices';

/** Runs the work of this process that may be long, such as reading a large body. One instance, because all of it shares the event loop. */
export const slices = new Slices();
