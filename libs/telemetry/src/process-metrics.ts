import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { SconceMetrics } from './metrics.ts';

const RESOLUTION_MS = 10;

/**
 * Feeds the event loop and memory gauges. The lag is that since the last scrape, so one scraper per process sees it
 * whole. Returns what stops the measuring.
 */
export function observeProcess(metrics: Pick<SconceMetrics, 'eventLoopLag' | 'processMemory'>): () => void {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  // The histogram holds the time between two ticks of a timer; what exceeds the timer's own period is lag.
  const seconds = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1e3);
  const stopLag = metrics.eventLoopLag.observe(() => {
    const readings = [
      { value: seconds(delay.percentile(50)), labels: { quantile: 'p50' } },
      { value: seconds(delay.percentile(99)), labels: { quantile: 'p99' } },
      { value: seconds(delay.max), labels: { quantile: 'max' } },
    ];
    delay.reset();
    return readings;
  });
  const stopMemory = metrics.processMemory.observe(() => {
    const memory = process.memoryUsage();
    return [
      { value: memory.rss, labels: { kind: 'rss' } },
      { value: memory.heapUsed, labels: { kind: 'heap_used' } },
      { value: memory.heapTotal, labels: { kind: 'heap_total' } },
      { value: memory.external, labels: { kind: 'external' } },
      { value: memory.arrayBuffers, labels: { kind: 'array_buffers' } },
    ];
  });
  return () => {
    stopLag();
    stopMemory();
    delay.disable();
  };
}
