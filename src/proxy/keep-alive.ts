/** Probes on idle TCP connections, as `TcpKeepalive` says. */
import type { TcpKeepalive } from '#xds/gen/envoy/config/core/v3/address_pb.js';
import type { Findings } from './findings.ts';

/** Probes on connections that say nothing (tcp(7)). */
export interface KeepAlive {
  readonly idleMs: number;
  readonly intervalMs: number;
  readonly probes: number;
}

/** Linux's own settings, for what is not given. */
const KEEPALIVE: KeepAlive = { idleMs: 7_200_000, intervalMs: 75_000, probes: 9 };

/** @returns undefined where nothing is set. */
export function readKeepAlive(
  message: TcpKeepalive | undefined,
  path: string,
  findings: Findings,
): KeepAlive | undefined {
  if (message === undefined) return undefined;
  const { keepaliveTime, keepaliveInterval, keepaliveProbes } = message;
  for (const [name, value] of [
    ['keepalive_time', keepaliveTime],
    ['keepalive_interval', keepaliveInterval],
    ['keepalive_probes', keepaliveProbes],
  ] as const) {
    if (value === 0) findings.error(`${path}.${name}`, 'must not be 0');
  }
  return {
    idleMs: keepaliveTime === undefined ? KEEPALIVE.idleMs : keepaliveTime * 1000,
    intervalMs: keepaliveInterval === undefined ? KEEPALIVE.intervalMs : keepaliveInterval * 1000,
    probes: keepaliveProbes ?? KEEPALIVE.probes,
  };
}
