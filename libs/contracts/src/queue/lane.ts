import * as z from 'zod';

/** `online`: a caller waits for the answer. `batch`: throughput matters. Each pool has one queue per lane. */
export const LANES = ['online', 'batch'] as const;

export const laneSchema = z.enum(LANES);

export type Lane = (typeof LANES)[number];
