import * as z from 'zod';

/**
 * Newest version (`v`) of the job contracts that this release reads. It also reads the version before, and it writes the
 * version that the release before reads: a new version takes two releases (ADR 19).
 */
export const JOB_VERSION = 1;

export const jobVersionSchema = z.literal(JOB_VERSION).describe('Version of this contract.');

export const modelNameSchema = z.string().describe('Name of the model.');
export const modelVersionNameSchema = z.string().describe('Version of the model.');
