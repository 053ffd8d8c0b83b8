/** Lines of JSON for ejections and returns (Envoy, "Ejection event logging": `OutlierDetectionEvent`). */
import type { Clock } from '#core/clock.ts';
import type { LineSink } from '../../data-path-deps.ts';
import type { Suspect } from './detector.ts';
import type { Detector } from './settings.ts';
import type { Rates } from './success-rate.ts';

const types: Readonly<Record<Detector, string>> = {
  consecutive_5xx: 'CONSECUTIVE_5XX',
  consecutive_gateway_failure: 'CONSECUTIVE_GATEWAY_FAILURE',
  consecutive_local_origin_failure: 'CONSECUTIVE_LOCAL_ORIGIN_FAILURE',
  success_rate: 'SUCCESS_RATE',
  local_origin_success_rate: 'SUCCESS_RATE_LOCAL_ORIGIN',
  failure_percentage: 'FAILURE_PERCENTAGE',
  local_origin_failure_percentage: 'FAILURE_PERCENTAGE_LOCAL_ORIGIN',
};

export class OutlierEventLog {
  readonly #cluster: string;
  readonly #sink: LineSink;
  readonly #clock: Clock;

  constructor(cluster: string, sink: LineSink, clock: Clock) {
    this.#cluster = cluster;
    this.#sink = sink;
    this.#clock = clock;
  }

  ejected(
    suspect: Suspect,
    detector: Detector,
    enforced: boolean,
    known: { readonly rates: Rates; readonly localRates: Rates },
  ): void {
    const { ejections, unejectedMs } = suspect;
    this.#write(suspect, types[detector], unejectedMs, {
      action: 'EJECT',
      num_ejections: ejections,
      enforced,
      ...reasonOf(suspect, detector, known),
    });
  }

  unejected(suspect: Suspect): void {
    const { ejections, ejectedMs } = suspect;
    const more = { action: 'UNEJECT', num_ejections: ejections, enforced: false };
    this.#write(suspect, types.consecutive_5xx, ejectedMs, more);
  }

  #write(
    { endpoint }: Suspect,
    type: string,
    lastMs: number | undefined,
    more: Readonly<Record<string, unknown>>,
  ): void {
    const line = {
      type,
      cluster_name: this.#cluster,
      upstream_url: endpoint.address,
      ...more,
      timestamp: new Date(this.#clock.wallMs()).toISOString(),
      ...(lastMs !== undefined && {
        secs_since_last_action: String(Math.floor((this.#clock.nowMs() - lastMs) / 1000)),
      }),
    };
    this.#sink.write(`${JSON.stringify(line)}\n`);
  }
}

function reasonOf(
  { rate, localRate }: Suspect,
  detector: Detector,
  { rates, localRates }: { readonly rates: Rates; readonly localRates: Rates },
): Readonly<Record<string, unknown>> {
  if (detector.startsWith('consecutive')) return { eject_consecutive_event: {} };
  const isLocal = detector.startsWith('local');
  const own = { host_success_rate: Math.trunc(isLocal ? localRate : rate) };
  if (detector.endsWith('percentage')) return { eject_failure_percentage_event: own };
  const of = isLocal ? localRates : rates;
  return {
    eject_success_rate_event: {
      ...own,
      cluster_average_success_rate: Math.trunc(of.average),
      cluster_success_rate_ejection_threshold: Math.trunc(of.ejectionThreshold),
    },
  };
}
