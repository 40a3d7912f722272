import { afterEach, expect, it } from 'vitest';
import type { ModelRepository } from '@sconce/models';
import { startTelemetry, type Telemetry } from '@sconce/telemetry';
import { observeModels } from './observe-models.ts';

let telemetry: Telemetry;
afterEach(() => telemetry.shutdown());

it('reports disk usage and quarantine, reads the states of models rarely, and tolerates unreadable states', async () => {
  const traces = { exporter: 'none', endpoint: '', protocol: 'http/json', headers: {}, sampleRatio: 1 } as const;
  telemetry = await startTelemetry({ service: 'api', version: '0', instanceId: 'i', traces });
  const asked: string[] = [];
  const errors: unknown[] = [];
  const repository = {
    diskUsage: () => Promise.resolve(new Map(['good', 'bad'].map((name) => [name, { bytes: 7, versions: new Map() }]))),
    state: (name: string) => {
      asked.push(name);
      return Promise.resolve({ quarantined: name === 'bad' ? { 3: 'does not end' } : undefined });
    },
  } as unknown as ModelRepository;
  observeModels(telemetry.metrics, repository, (error) => errors.push(error));
  await telemetry.metricsText();
  await new Promise((resolve) => setImmediate(resolve));
  const text = await telemetry.metricsText();
  expect(text).toContain('sconce_model_disk_bytes{model="good"} 7\n');
  expect(text).toContain('sconce_quarantined_versions{model="bad"} 1\n');
  expect(text).not.toContain('sconce_quarantined_versions{model="good"}');
  expect(asked).toEqual(['good', 'bad']);
  expect(errors).toEqual([]);
});
