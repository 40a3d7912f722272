import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { getHeapSpaceStatistics } from 'node:v8';
import type { SconceMetrics } from './recorders.ts';

const RESOLUTION_MS = 10;

/**
 * Measures event loop, CPU and memory of the process. Delay and utilisation are those since the last scrape, so they are complete only if
 * one scraper reads the process. Returns a function that stops the measuring.
 */
export function observeProcess(metrics: SconceMetrics): () => void {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  // The histogram has the time between two ticks of a timer. The time beyond the timer's period is the delay.
  const seconds = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1e3);
  const one = (value: number) => [{ value, labels: {} }];
  let utilization = performance.eventLoopUtilization();
  const stops = [
    metrics.eventLoopDelayP50.observe(() => one(seconds(delay.percentile(50)))),
    metrics.eventLoopDelayP99.observe(() => one(seconds(delay.percentile(99)))),
    metrics.eventLoopDelayMax.observe(() => {
      const max = delay.max;
      // Metrics are read in the order of the table. This one is the last that needs the histogram.
      delay.reset();
      return one(seconds(max));
    }),
    metrics.eventLoopUtilization.observe(() => {
      const now = performance.eventLoopUtilization();
      const { utilization: share } = performance.eventLoopUtilization(now, utilization);
      utilization = now;
      return one(share);
    }),
    metrics.cpuTime.observe(() => {
      const { user, system } = process.cpuUsage();
      return [
        { value: user / 1e6, labels: { cpu_mode: 'user' } },
        { value: system / 1e6, labels: { cpu_mode: 'system' } },
      ];
    }),
    metrics.residentMemory.observe(() => one(process.memoryUsage.rss())),
    metrics.heapUsed.observe(() =>
      getHeapSpaceStatistics().map(({ space_name: name, space_used_size: value }) => ({
        value,
        labels: { v8js_heap_space_name: name },
      })),
    ),
    metrics.externalMemory.observe(() => {
      const { external, arrayBuffers } = process.memoryUsage();
      return [
        { value: external, labels: { kind: 'external' } },
        { value: arrayBuffers, labels: { kind: 'array_buffers' } },
      ];
    }),
  ];
  return () => {
    for (const stop of stops) stop();
    delay.disable();
  };
}
