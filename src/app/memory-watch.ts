/** What the process stops doing when memory runs out, by the overload manager of its bootstrap or by default. */
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { systemClock } from '#core/clock.ts';
import { cgroupMemory } from '#host/cgroup-memory.ts';
import { giveBackFreed } from '#host/malloc-trim.ts';
import type { Logger } from '#observe/log.ts';
import type { MetricRegistry } from '#observe/metrics-contract.ts';
import { OverloadMonitor } from '#proxy/overload/manager.ts';
import { defaultOverload, type OverloadSettings, type Resource } from '#proxy/overload/settings.ts';
import type { OverloadState } from '#proxy/overload/state.ts';

/** Envoy's interval (`ShrinkHeapConfig.timer_interval`). */
const SHRINK_MS = 10_000;

/** @param settings undefined: the memory that the process may take, of its control group or of the host */
export function watchMemory(
  settings: OverloadSettings | undefined,
  metrics: MetricRegistry,
  log: Logger,
): Readonly<OverloadState> {
  let shrunkMs = Number.NEGATIVE_INFINITY;
  const monitor = new OverloadMonitor(settings ?? defaultOverload(availableBytes()), {
    clock: systemClock,
    metrics,
    pressureOf,
    onAction: (action, active, percent) =>
      log.warn(active ? 'overload.began' : 'overload.ended', { action, percent }),
    shrinkHeap: () => {
      const nowMs = systemClock.nowMs();
      if (nowMs - shrunkMs < SHRINK_MS) return false;
      shrunkMs = nowMs;
      globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'regular' });
      giveBackFreed();
      return true;
    },
  });
  monitor.start();
  return monitor.state;
}

function pressureOf(resource: Resource): number | undefined {
  switch (resource.kind) {
    case 'memory':
      return process.memoryUsage.rss() / resource.maxBytes;
    case 'cgroup':
      return cgroupPressure(resource.maxBytes);
    case 'file': {
      const value = Number(contentOf(resource.path) || Number.NaN);
      return value >= 0 && value <= 1 ? value : undefined;
    }
  }
}

/** Bodies that HTTP/2 streams hold may take this part of the memory. */
const BODY_PART = 0.25;

/** Of one of `threads`. @param settings as of {@link watchMemory} */
export function bodyMemoryBytes(settings: OverloadSettings | undefined, threads: number): number {
  const limits = (settings?.monitors ?? []).flatMap(({ resource }) =>
    resource.kind === 'file' || resource.maxBytes === 0 ? [] : [resource.maxBytes],
  );
  return Math.floor((Math.min(availableBytes(), ...limits) * BODY_PART) / threads);
}

function availableBytes(): number {
  const host = totalmem();
  const constrained = process.constrainedMemory();
  return constrained > 0 && constrained < host ? constrained : host;
}

function cgroupPressure(maxBytes: number): number | undefined {
  const memory = cgroupMemory();
  const limit = maxBytes > 0 ? Math.min(maxBytes, memory?.maxBytes ?? maxBytes) : memory?.maxBytes;
  return memory === undefined || limit === undefined ? undefined : memory.usedBytes / limit;
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
