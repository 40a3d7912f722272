// A worker loads this file first (`--import`). It kills the worker with SIGKILL when it reaches one point of a batch.
// DIE_AT is `<method of BatchRecords>:before` or `:after`.
import { registerHooks } from 'node:module';

const [method, when] = (process.env.DIE_AT ?? '').split(':');

/** The text in the bundle that begins the class. */
const DEFINITION = 'BatchRecords=class{';

globalThis.dieAt = (BatchRecords) => {
  const original = BatchRecords.prototype[method];
  if (original === undefined) throw new Error(`BatchRecords has no method ${method}`);
  BatchRecords.prototype[method] = async function (...args) {
    if (when === 'before') process.kill(process.pid, 'SIGKILL');
    const answer = await original.apply(this, args);
    process.kill(process.pid, 'SIGKILL');
    return answer;
  };
};

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const text = url.startsWith('file:') ? String(loaded.source ?? '') : '';
    return text.includes(DEFINITION)
      ? { ...loaded, source: text.replace(DEFINITION, `${DEFINITION}static{globalThis.dieAt(this)}`) }
      : loaded;
  },
});
