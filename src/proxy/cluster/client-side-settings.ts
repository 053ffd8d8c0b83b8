/** The policy `client_side_weighted_round_robin` as a cluster asks for it. */
import type { ClientSideWeightedRoundRobin } from '#xds/gen/envoy/extensions/load_balancing_policies/client_side_weighted_round_robin/v3/client_side_weighted_round_robin_pb.js';
import type { UtilizationRules } from '../balance/load-report.ts';
import type { SlowStartRules } from '../balance/slow-start.ts';
import type { Findings } from '../findings.ts';
import { readSlowStart } from './locality-settings.ts';

export interface LoadReportRules extends UtilizationRules {
  /** For so long an endpoint has to report before that counts. */
  readonly blackoutMs: number;
  /** For so long a report counts. */
  readonly expiryMs: number;
  /** How often weights are set. */
  readonly updateMs: number;
}

/** Envoy's defaults. */
const BLACKOUT_MS = 10_000;
const EXPIRY_MS = 180_000;
const UPDATE_MS = 1000;
const LEAST_UPDATE_MS = 100;

export function readClientSide(
  config: ClientSideWeightedRoundRobin,
  path: string,
  findings: Findings,
): { readonly loadReports: LoadReportRules; readonly slowStart: SlowStartRules | undefined } {
  if (config.enableOobLoadReport === true) {
    findings.error(
      `${path}.enable_oob_load_report`,
      'is not supported: endpoints report with their answers (endpoint-load-metrics)',
    );
  } else {
    const idle = {
      oob_reporting_period: config.oobReportingPeriod,
      oob_reporting_config: config.oobReportingConfig,
    };
    for (const [field, value] of Object.entries(idle)) {
      if (value !== undefined)
        findings.warn(`${path}.${field}`, 'has no effect without enable_oob_load_report');
    }
  }
  // Envoy's description says 1; it does this.
  const penalty = config.errorUtilizationPenalty ?? 0;
  const ms = (field: string, of: Parameters<Findings['durationMs']>[1], absent: number): number =>
    findings.durationMs(`${path}.${field}`, of) ?? absent;
  return {
    loadReports: {
      metrics: config.metricNamesForComputingUtilization,
      errorPenalty: penalty,
      blackoutMs: ms('blackout_period', config.blackoutPeriod, BLACKOUT_MS),
      expiryMs: ms('weight_expiration_period', config.weightExpirationPeriod, EXPIRY_MS),
      updateMs: Math.max(LEAST_UPDATE_MS, ms('weight_update_period', config.weightUpdatePeriod, UPDATE_MS)),
    },
    slowStart: readSlowStart(config.slowStartConfig, `${path}.slow_start_config`, findings),
  };
}
