import { freeLoopbackPort } from '@sconce/redis-server';

/** A loopback TCP port that is free now. Prefer port 0 if the program under test accepts it. */
export function freePort(): Promise<number> {
  return freeLoopbackPort();
}
