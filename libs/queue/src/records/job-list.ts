import type { Redis } from 'ioredis';
import type { JobStatus } from '@sconce/contracts';
import type { Keys } from '../redis/keys.ts';
import { jobNotFound, type JobRecord, type JobRecords } from './job-records.ts';

/** Which jobs to list. A filter that is undefined takes every job. */
export interface JobListOptions {
  /** Id of the last job of the page before. */
  readonly after?: string | undefined;
  /** Most jobs of the page. */
  readonly limit: number;
  readonly status?: JobStatus | undefined;
  readonly model?: string | undefined;
  readonly version?: string | undefined;
  /** Epoch ms: jobs that were created at this time or later. */
  readonly fromMs?: number | undefined;
  /** Epoch ms: jobs that were created before this time. */
  readonly beforeMs?: number | undefined;
  /** The owner whose jobs are listed; undefined for all jobs. */
  readonly ofOwner?: string | undefined;
}

/** A page of jobs, newest first. */
export interface JobPage {
  readonly jobs: readonly JobRecord[];
  /** `after` of the next page; undefined when there is none. A page may end before `limit` jobs: one call looks at `MAX_LOOKED_AT` jobs. */
  readonly next: string | undefined;
}

/** Bounds what one page costs Redis, however rare the jobs are that it asks for. */
const MAX_LOOKED_AT = 2_000;
const STEP = 200;

/** Lists jobs from the sorted sets that the scripts of the records keep. */
export async function listJobs(
  { redis, keys, records }: { readonly redis: Redis; readonly keys: Keys; readonly records: JobRecords },
  options: JobListOptions,
): Promise<JobPage> {
  const { limit, after, ofOwner, fromMs = 0, beforeMs } = options;
  const set = ofOwner === undefined ? keys.jobs() : keys.jobsOf(ofOwner);
  const [first, end] = await Promise.all([
    firstRank(redis, set, { after, beforeMs }),
    redis.zcount(set, String(fromMs), '+inf'),
  ]);
  const last = Math.min(end, first + MAX_LOOKED_AT);
  const jobs: JobRecord[] = [];
  const gone: string[] = [];
  let next: string | undefined;
  for (let rank = first; rank < last && jobs.length < limit;) {
    const ids = await redis.zrevrange(set, String(rank), String(Math.min(rank + STEP, last) - 1));
    if (ids.length === 0) break;
    const kinds = await Promise.all(ids.map((id) => redis.hmget(keys.job(id), 'status', 'model', 'version')));
    const fitting = new Set(ids.filter((_, at) => fits(kinds[at] ?? [], options)));
    gone.push(...ids.filter((_, at) => typeof kinds[at]?.[1] !== 'string'));
    const found = await Promise.all([...fitting].slice(0, limit - jobs.length).map((id) => records.get(id)));
    jobs.push(...found.filter((job) => job !== undefined));
    // Behind the last job of a full page there may be others of this step.
    const isFull = jobs.length === limit;
    next = isFull ? jobs.at(-1)?.id : ids.at(-1);
    rank += isFull && next !== undefined ? ids.indexOf(next) + 1 : ids.length;
    if (rank >= end) next = undefined;
  }
  const dead = gone.filter((id) => id !== next);
  if (dead.length > 0) await redis.zrem(set, ...dead);
  return { jobs, next };
}

/** Number of jobs in front of the page. */
async function firstRank(
  redis: Redis,
  set: string,
  { after, beforeMs }: Pick<JobListOptions, 'after' | 'beforeMs'>,
): Promise<number> {
  const rank = after === undefined ? -1 : await redis.zrevrank(set, after);
  if (rank === null) throw jobNotFound(after ?? '', 'after');
  const tooNew = beforeMs === undefined ? 0 : await redis.zcount(set, String(beforeMs), '+inf');
  return Math.max(Number(rank) + 1, tooNew);
}

function fits(
  [status, model, version]: readonly (string | null)[],
  wanted: Pick<JobListOptions, 'status' | 'model' | 'version'>,
): boolean {
  if (typeof model !== 'string') return false;
  const is = (asked: string | undefined, value: string | null | undefined): boolean =>
    asked === undefined || asked === value;
  return is(wanted.status, status) && is(wanted.model, model) && is(wanted.version, version);
}
