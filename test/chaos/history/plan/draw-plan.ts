import { Draw } from './draw.ts';
import { drawClients } from './draw-clients.ts';
import { drawFaults } from './draw-faults.ts';
import type { Plan, PlanOptions } from './plan.ts';

/** Share of the seeds whose Redis has a replica and Sentinels, and of those whose blob store is on a small disk. */
const SENTINELS = 0.25;
const SMALL_DISK = 0.3;

/** The plan of a seed. The same options give the same plan. */
export function drawPlan(options: PlanOptions): Plan {
  const { seed, forMs, slack } = options;
  const draw = new Draw(seed);
  const system = {
    redis: draw.chance(SENTINELS) ? 'sentinels' : 'single',
    disk: draw.chance(SMALL_DISK) ? 'small' : 'plain',
    workers: 2,
    ...options.system,
  } as const;
  return {
    seed,
    forMs,
    slack,
    system,
    clients: drawClients(draw.fork(), options),
    faults: drawFaults(draw.fork(), system, options),
  };
}
