/** What is known against an endpoint: flags of Envoy (`Host::HealthFlag`), and what follows from them for balancing. */
import { HealthStatus } from '#xds/gen/envoy/config/core/v3/health_check_pb.js';

/** In the order Envoy shows them. */
export const healthFlag = {
  failed_active_hc: 0x1,
  failed_outlier_check: 0x2,
  failed_eds_health: 0x4,
  degraded_active_hc: 0x8,
  degraded_eds_health: 0x10,
  /** Not in the assignment any more, but healthy by active checks. */
  pending_dynamic_removal: 0x20,
  /** No active check has ended yet. */
  pending_active_hc: 0x40,
  excluded_via_immediate_hc_fail: 0x80,
  active_hc_timeout: 0x100,
  eds_status_draining: 0x200,
} as const;

const UNHEALTHY =
  healthFlag.failed_active_hc |
  healthFlag.failed_outlier_check |
  healthFlag.failed_eds_health |
  healthFlag.eds_status_draining;
const DEGRADED = healthFlag.degraded_active_hc | healthFlag.degraded_eds_health;
const EXCLUDED =
  healthFlag.pending_active_hc | healthFlag.excluded_via_immediate_hc_fail | healthFlag.eds_status_draining;

/** Flags that a load assignment decides. */
export const EDS_FLAGS: number =
  healthFlag.failed_eds_health | healthFlag.degraded_eds_health | healthFlag.eds_status_draining;

export type Health = 'healthy' | 'degraded' | 'unhealthy';

export function healthOf(flags: number): Health {
  if (flags === 0) return 'healthy';
  if ((flags & UNHEALTHY) !== 0) return 'unhealthy';
  return (flags & DEGRADED) === 0 ? 'healthy' : 'degraded';
}

/** Whether it does not count among those that ought to be healthy. */
export function isExcluded(flags: number): boolean {
  return (flags & EXCLUDED) !== 0;
}

/** `healthy`, or names such as `/failed_eds_health/pending_active_hc`. */
export function healthText(flags: number): string {
  if (flags === 0) return 'healthy';
  return Object.entries(healthFlag)
    .filter(([, flag]) => (flags & flag) !== 0)
    .map(([name]) => `/${name}`)
    .join('');
}

export function flagsOfEds(status: HealthStatus): number {
  switch (status) {
    case HealthStatus.UNHEALTHY:
    case HealthStatus.TIMEOUT:
      return healthFlag.failed_eds_health;
    case HealthStatus.DRAINING:
      return healthFlag.eds_status_draining;
    case HealthStatus.DEGRADED:
      return healthFlag.degraded_eds_health;
    default:
      return 0;
  }
}
