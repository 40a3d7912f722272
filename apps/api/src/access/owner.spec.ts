import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import fastifyFactory from 'fastify';
import { expect, it } from 'vitest';
import { hashSecret } from '@sconce/keys';
import { createLogger } from '@sconce/telemetry';
import { temporaryFolder } from '@sconce/testing';
import { readInferenceCall } from '../inference/inference-call.ts';
import { installAccess } from './install-access.ts';
import { KeyRing } from './key-ring.ts';

const logger = createLogger({ service: 'api', level: 'fatal', destination: new Writable() });

/** The owner that a request with this key has. */
async function ownerWith(secret: string | undefined, ring: KeyRing | undefined): Promise<string | null> {
  const fastify = fastifyFactory();
  installAccess(fastify, { ring, logger });
  fastify.post('/v2/models/:model/infer', (request) => ({ owner: readInferenceCall(request).owner ?? null }));
  const headers = secret === undefined ? {} : { 'x-api-key': secret };
  const { body } = await fastify.inject({ method: 'POST', url: '/v2/models/m/infer', headers });
  return (JSON.parse(body) as { owner: string | null }).owner;
}

it('a request belongs to the owner of its key, else to its key, and to nobody if no keys are needed', async () => {
  const file = join(temporaryFolder('owner'), 'keys.json');
  const key = (id: string, owner?: string): object => ({ id, sha256: hashSecret(id), scopes: ['infer'], owner });
  writeFileSync(file, JSON.stringify({ keys: [key('first', 'team'), key('second')] }));
  const ring = await KeyRing.open(file, logger);
  try {
    expect(await ownerWith('first', ring)).toBe('team');
    expect(await ownerWith('second', ring)).toBe('second');
  } finally {
    ring.close();
  }
  expect(await ownerWith(undefined, undefined)).toBeNull();
});
