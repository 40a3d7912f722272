import type { ModelRepository } from '@sconce/models';
import type { Telemetry } from '@sconce/telemetry';

/** Least time between two reads of the states of models, which are files in the store. */
const QUARANTINE_TTL_MS = 60_000;

/** Feeds the metrics of models in the store. `onError` is called when their states cannot be read. */
export function observeModels(
  metrics: Telemetry['metrics'],
  repository: Pick<ModelRepository, 'diskUsage' | 'state'>,
  onError: (error: unknown) => void,
): void {
  let names: readonly string[] = [];
  let quarantined: readonly { readonly model: string; readonly versions: number }[] = [];
  let readAtMs = -Infinity;
  /** Reads the states one after the other. The scrape does not wait for this: a remote store may take long for thousands of models. */
  const refresh = async (): Promise<void> => {
    readAtMs = performance.now();
    const found: { model: string; versions: number }[] = [];
    for (const model of names) {
      const versions = Object.keys((await repository.state(model)).quarantined ?? {}).length;
      if (versions > 0) found.push({ model, versions });
    }
    quarantined = found;
  };
  metrics.modelDiskBytes.observe(async () => {
    const usage = [...(await repository.diskUsage())];
    names = usage.map(([model]) => model);
    if (performance.now() - readAtMs > QUARANTINE_TTL_MS) refresh().catch(onError);
    return usage.map(([model, { bytes }]) => ({ value: bytes, labels: { model } }));
  });
  metrics.quarantined.observe(() => quarantined.map(({ model, versions }) => ({ value: versions, labels: { model } })));
}
