import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { SconceClient, hasEnded, type Batch } from '@sconce/client';
import { DIGITS_TABLE, bytesOf, digitRows, scoreAll, sha256 } from '../support/rows.ts';
import { seeded } from '../support/seeded.ts';
import { startStack } from '../support/stack.ts';

// Workers, the API and Redis are killed with SIGKILL at random times while a batch runs. The results must equal those of an
// undisturbed run.
// CHAOS_ROWS=1000000 CHAOS_SEED=7 npx vitest run --project system test/chaos/batch-exactly-once.spec.ts

const ROWS = Number(process.env['CHAOS_ROWS'] ?? 120_000);
const SEED = Number(process.env['CHAOS_SEED'] ?? 1);
const WORKERS = 3;
/** Least and longest pause between two kills, ms. */
const PAUSE_MS = [500, 2_500] as const;
const LIMIT_MS = 60_000 + ROWS / 2;
const DIGITS = fileURLToPath(new URL('../../examples/digits/digits.onnx', import.meta.url));

describe('a batch while processes are killed at random', () => {
  it(
    `has each of ${ROWS} rows once, in order, with the same bytes as an undisturbed run`,
    async () => {
      const stack = await startStack({ workers: WORKERS, env: { SCONCE_THREADS: '1' } });
      await stack.pushFile(DIGITS, 'digits');
      const dataset = digitRows(ROWS);
      const client = new SconceClient({ url: stack.url });
      const undisturbed = await scoreAll(stack.url, DIGITS_TABLE, dataset);
      const expected = await bytesOf(await client.batches.output(undisturbed.id));

      const { id } = await client.batches.score(DIGITS_TABLE, dataset, { filename: 'rows.csv' });
      const random = seeded(SEED);
      const kills = { worker: 0, api: 0, redis: 0 };
      const untilMs = Date.now() + LIMIT_MS;
      let batch: Batch | undefined;
      while (batch === undefined || !hasEnded(batch)) {
        expect(Date.now(), `the batch is ${JSON.stringify(batch)}`).toBeLessThan(untilMs);
        const dice = random();
        if (dice < 0.7) {
          const victim = stack.workers.splice(Math.floor(random() * stack.workers.length), 1)[0];
          victim?.child.kill('SIGKILL');
          kills.worker += 1;
          await stack.startWorker();
        } else if (dice < 0.85) {
          kills.api += 1;
          await stack.restartApi();
        } else {
          kills.redis += 1;
          stack.redis.kill('SIGKILL');
          await stack.redis.restart();
        }
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS[0] + random() * (PAUSE_MS[1] - PAUSE_MS[0])));
        batch = await client.batches.get(id).catch(() => undefined);
      }
      const output = await bytesOf(await client.batches.output(id));
      expect(batch).toMatchObject({
        status: 'completed',
        request_counts: { total: ROWS, completed: ROWS, failed: 0 },
        error_file_id: null,
      });
      const ids = output
        .toString('latin1')
        .split('\n')
        .slice(0, -1)
        .map((line) => Number(/^\{"id":"(\d+)"/.exec(line)?.[1]));
      expect(ids.length).toBe(ROWS);
      expect(ids.every((own, row) => own === row)).toBe(true);
      expect(sha256(output)).toBe(sha256(expected));
      expect(kills.worker).toBeGreaterThan(0);
      process.stderr.write(`killed: ${JSON.stringify(kills)}\n`);
    },
    LIMIT_MS + 60_000,
  );
});
