import { freeLoopbackPort } from '@sconce/redis-server';

/** A loopback TCP port that is free now; prefer listening on port 0 where the program under test can. */
export function freePort(): Promise<number> {
  return freeLoopbackPort();
}
