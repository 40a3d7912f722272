// Loaded before a worker (`--import`): kills it with -9 at one point of a batch's life, the first time it gets there.
// DIE_AT is `<method of BatchRecords>:before` or `:after`.
import { BatchRecords } from '@sconce/queue';

const [method, when] = (process.env.DIE_AT ?? '').split(':');
const original = BatchRecords.prototype[method];
if (original === undefined) throw new Error(`BatchRecords has no method ${method}`);
BatchRecords.prototype[method] = async function (...args) {
  if (when === 'before') process.kill(process.pid, 'SIGKILL');
  const answer = await original.apply(this, args);
  process.kill(process.pid, 'SIGKILL');
  return answer;
};
