/**
 * Limits on downstream connections in a bootstrap: of the process by the overload manager, of the
 * process or one listener by keys of the runtime (Envoy, "Overload manager", "Listener connection limits").
 */
import type { Bootstrap } from '#xds/gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { readRuntimeKeys } from './runtime-layers.ts';
import type { Report } from './settings.ts';

export interface ConnectionLimitSettings {
  /** Of all listeners; undefined: as the process decides. */
  readonly process: number | undefined;
  /** By name. */
  readonly ofListener: Readonly<Record<string, number>>;
}

const PROCESS_KEY = 'overload.global_downstream_max_connections';
const listenerKey = /^envoy\.resource_limits\.listener\.(.+)\.connection_limit$/;

/** @param maxConnections of the overload manager */
export function readConnectionLimits(
  bootstrap: Bootstrap,
  maxConnections: number | undefined,
  report: Report,
): ConnectionLimitSettings {
  const keys = readRuntimeKeys(bootstrap);
  const ofListener: Record<string, number> = {};
  for (const [key, { value, path }] of keys) {
    const name = listenerKey.exec(key)?.[1];
    if (name === undefined && key !== PROCESS_KEY) continue;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) {
      report(path, 'must be a number of connections');
    } else if (name !== undefined) ofListener[name] = value;
  }
  const byKey = keys.get(PROCESS_KEY)?.value;
  return {
    process: maxConnections ?? (typeof byKey === 'number' ? byKey : undefined),
    ofListener,
  };
}
