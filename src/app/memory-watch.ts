/** What the process stops doing when memory runs out, by the overload manager of its bootstrap or by default. */
import { totalmem } from 'node:os';
import { systemClock } from '#core/clock.ts';
import type { Logger } from '#observe/log.ts';
import type { MetricRegistry } from '#observe/metrics-contract.ts';
import { OverloadMonitor } from '#proxy/overload/manager.ts';
import { defaultOverload, type OverloadSettings } from '#proxy/overload/settings.ts';
import type { OverloadState } from '#proxy/overload/state.ts';

/** @param settings undefined: the memory that the process may take, of its control group or of the host */
export function watchMemory(
  settings: OverloadSettings | undefined,
  metrics: MetricRegistry,
  log: Logger,
): Readonly<OverloadState> {
  const monitor = new OverloadMonitor(settings ?? defaultOverload(availableBytes()), {
    clock: systemClock,
    metrics,
    usedBytes: () => process.memoryUsage.rss(),
    onAction: (action, active, pressure) =>
      log.warn(active ? 'overload.began' : 'overload.ended', { action, percent: Math.round(pressure * 100) }),
  });
  monitor.start();
  return monitor.state;
}

/** Bodies that HTTP/2 streams hold may take this part of the memory. */
const BODY_PART = 0.25;

/** Of one of `threads`. @param settings as of {@link watchMemory} */
export function bodyMemoryBytes(settings: OverloadSettings | undefined, threads: number): number {
  const limits = settings?.memory.map(({ maxBytes }) => maxBytes) ?? [];
  return Math.floor((Math.min(availableBytes(), ...limits) * BODY_PART) / threads);
}

function availableBytes(): number {
  const host = totalmem();
  const constrained = process.constrainedMemory();
  return constrained > 0 && constrained < host ? constrained : host;
}
