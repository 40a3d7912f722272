import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { hashSecret, newSecret } from '@sconce/keys';
import { load } from '../support/in-process.ts';
import { jsonRequest } from '../support/stack.ts';
import { closedLoop } from '../support/wrk.ts';
import type { BenchModel } from './models.ts';
import { pushModel, startSide, type Side } from './sides.ts';

/** One owner's requests, alone and beside another owner's flood. */
export interface OwnerFigures {
  /** ms */
  readonly aloneP99: number;
  readonly besideP99: number;
  readonly failed: number;
}

/** Outstanding requests of the flood. The API accepts 10,000; the other owner needs some of them. */
const FLOOD = 9_900;
/** Requests per second of the owner that is measured, and its connections. More would compete with the flood's for the listen queue. */
const RATE = 100;
const CONNECTIONS = 32;
/** Time for the flood to open its connections, and for the other owner to open its own. */
const SETTLE_MS = 4_000;
const WARMUP_SECONDS = 3;

/** Measures the p99 of an owner with few requests, before and while another owner keeps 9,900 requests outstanding. */
export async function measureOwners(
  side: Side,
  model: BenchModel,
  options: { readonly scratch: string; readonly seconds: number },
): Promise<OwnerFigures> {
  const { scratch, seconds } = options;
  const keysFile = join(scratch, 'owners.json');
  const secrets = { admin: newSecret(), few: newSecret(), flood: newSecret() };
  // Without the field `owner` each key is its own owner: builds that do not know the field read this file too.
  const keys = Object.entries(secrets).map(([id, secret]) => ({
    id,
    sha256: hashSecret(secret),
    scopes: [id === 'admin' ? 'admin' : 'infer'],
  }));
  writeFileSync(keysFile, JSON.stringify({ keys }), { mode: 0o600 });
  const running = await startSide(side, { env: { SCONCE_KEYS_FILE: keysFile } });
  try {
    const pushed = await pushModel(running, model, { apiKey: secrets.admin });
    const request = jsonRequest(running.stack.url, pushed);
    const as = (secret: string): typeof request => ({
      ...request,
      headers: { ...request.headers, authorization: `Bearer ${secret}` },
    });
    const few = { ...as(secrets.few), inFlight: CONNECTIONS, rate: RATE, warmupSeconds: WARMUP_SECONDS, seconds };
    const alone = await load(few);
    const floodSeconds = SETTLE_MS / 1_000 + WARMUP_SECONDS + seconds + 1;
    const flood = closedLoop({ ...as(secrets.flood), inFlight: FLOOD, warmupSeconds: 0, seconds: floodSeconds });
    await sleep(SETTLE_MS);
    const beside = await load(few);
    await flood;
    // Without a successful request there is no latency.
    const besideP99 = beside.requests > beside.failed ? beside.p99 : NaN;
    return { aloneP99: alone.p99, besideP99, failed: beside.failed + beside.unsent };
  } finally {
    await running.stop();
  }
}
