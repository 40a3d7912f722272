/**
 * First write of a script that has to work while Redis is at its `maxmemory`: what was accepted must still end, and what is
 * deleted must be freed. KEYS[1] is a hash.
 * Redis refuses a script's first write if that write needs memory. This one needs none and changes nothing.
 */
export const ALSO_WHEN_FULL = `
redis.call('HDEL', KEYS[1], '')`;
