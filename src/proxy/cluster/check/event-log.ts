/** Lines of JSON for what checks change (Envoy, "Health check event logging": `HealthCheckEvent`). */
import type { Clock } from '#core/clock.ts';
import type { LineSink } from '../../data-path-deps.ts';
import type { Endpoint } from '../endpoint.ts';
import type { FailureType } from './session.ts';
import type { CheckKind } from './settings.ts';

type Json = Readonly<Record<string, unknown>>;

export class CheckEventLog {
  readonly #cluster: string;
  readonly #type: string;
  readonly #sinks: readonly LineSink[];
  readonly #clock: Clock;

  constructor(cluster: string, kind: CheckKind['kind'], sinks: readonly LineSink[], clock: Clock) {
    this.#cluster = cluster;
    this.#type = kind.toUpperCase();
    this.#sinks = sinks;
    this.#clock = clock;
  }

  ejected(endpoint: Endpoint, type: FailureType, status: number | undefined): void {
    this.#write(endpoint, { eject_unhealthy_event: { failure_type: type, http_status_code: status ?? 0 } });
  }

  added(endpoint: Endpoint, first: boolean): void {
    this.#write(endpoint, { add_healthy_event: { first_check: first } });
  }

  failed(endpoint: Endpoint, type: FailureType, first: boolean, status: number | undefined): void {
    this.#write(endpoint, {
      health_check_failure_event: { failure_type: type, first_check: first, http_status_code: status ?? 0 },
    });
  }

  succeeded(endpoint: Endpoint): void {
    this.#write(endpoint, { successful_health_check_event: {} });
  }

  degraded(endpoint: Endpoint): void {
    this.#write(endpoint, { degraded_healthy_host: {} });
  }

  notDegraded(endpoint: Endpoint): void {
    this.#write(endpoint, { no_longer_degraded_host: {} });
  }

  #write(endpoint: Endpoint, event: Json): void {
    const { region, zone, subZone } = endpoint.traits.locality;
    const line = {
      health_checker_type: this.#type,
      host: addressOf(endpoint),
      cluster_name: this.#cluster,
      ...event,
      timestamp: new Date(this.#clock.wallMs()).toISOString(),
      ...(endpoint.metadata !== undefined && {
        metadata: { filter_metadata: endpoint.metadata.filterMetadata, typed_filter_metadata: {} },
      }),
      locality: { region, zone, sub_zone: subZone },
    };
    const text = `${JSON.stringify(line)}\n`;
    for (const sink of this.#sinks) sink.write(text);
  }
}

function addressOf({ target, address }: Endpoint): Json {
  if (target.kind !== 'tcp') return { pipe: { path: address } };
  const { host, port } = target;
  return {
    socket_address: {
      ...{ protocol: 'TCP', address: host, port_value: port, resolver_name: '', ipv4_compat: false },
      network_namespace_filepath: '',
    },
  };
}
