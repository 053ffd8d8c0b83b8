/** Which transport an endpoint is reached by (Envoy, `transport_socket_matches`). */
import type { Scope } from '#observe/metrics-contract.ts';
import type { Metadata } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { jsonEquals } from '../json-equal.ts';
import type { UpstreamTransport } from '../tls/upstream.ts';
import type { EndpointTraits } from './endpoint.ts';
import type { ClusterSettings, TransportMatch } from './settings.ts';

type Transports = Pick<ClusterSettings, 'transport' | 'transportMatches'>;

const TRANSPORT_MATCH = 'envoy.transport_socket_match';
/** Envoy's name for endpoints that no match is for. */
const UNMATCHED = 'default';

/** The first match whose criteria the endpoint's metadata meets; else the cluster's own transport. */
export function transportFor(of: Transports, metadata: Metadata | undefined): UpstreamTransport {
  return matchFor(of, metadata)?.transport ?? of.transport;
}

/** @param values what the criteria are held against */
export function transportOf(of: Transports, values: Readonly<Record<string, unknown>>): UpstreamTransport {
  return matchOf(of, values)?.transport ?? of.transport;
}

/** Counts the match that an endpoint takes. */
export function countTransport(of: Transports, metadata: Metadata | undefined, scope: Scope): void {
  scope.counter(matchCountName(matchNameFor(of, metadata))).inc();
}

/** Name of the match that an endpoint takes. */
export function matchNameFor(of: Transports, metadata: Metadata | undefined): string {
  return matchFor(of, metadata)?.name ?? UNMATCHED;
}

/** How many endpoints took a match. */
export const matchCountName = (match: string): string => `${match}.total_match_count`;

/** What tells an endpoint from the others of its cluster. @param place its address; '' where that may change */
export function endpointKey(place: string, transport: UpstreamTransport, traits: EndpointTraits): string {
  return `${place}|${transport.key}|${traits.hostname}`;
}

function matchFor(of: Transports, metadata: Metadata | undefined): TransportMatch | undefined {
  if (of.transportMatches.length === 0) return undefined;
  return matchOf(of, (metadata?.filterMetadata[TRANSPORT_MATCH] ?? {}) as Record<string, unknown>);
}

function matchOf(
  { transportMatches }: Transports,
  values: Readonly<Record<string, unknown>>,
): TransportMatch | undefined {
  return transportMatches.find(({ criteria }) =>
    Object.entries(criteria).every(([key, wanted]) => jsonEquals(values[key], wanted)),
  );
}
