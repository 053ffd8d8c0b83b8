/** `match` of a patch of an `EnvoyFilter`: whose configuration, and where in it. Nothing said: any. */
import { compileRegex } from '#core/regex.ts';
import { mapOf } from './decode/collection.ts';
import type { Decoder } from './decode/decoder.ts';
import { atMostOneOf, defaulted, object, optional } from './decode/object.ts';
import { integer, oneOf, text } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';

const contexts = ['ANY', 'SIDECAR_INBOUND', 'SIDECAR_OUTBOUND', 'GATEWAY', 'WAYPOINT'] as const;
export type PatchContext = (typeof contexts)[number];

export interface ProxyMatch {
  /** RE2, of any part of the version. */
  readonly proxyVersion?: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ListenerMatch {
  readonly name?: string;
  /** 0: any; so everywhere here. */
  readonly portNumber: number;
  readonly filterChain?: FilterChainMatch;
  readonly listenerFilter?: string;
}

export interface FilterChainMatch {
  readonly name?: string;
  readonly sni?: string;
  readonly transportProtocol?: string;
  /** With commas between. */
  readonly applicationProtocols?: string;
  readonly destinationPort: number;
  readonly filter?: { readonly name: string; readonly subFilter?: { readonly name: string } };
}

export interface RouteConfigurationMatch {
  readonly name?: string;
  /** `namespace/name` */
  readonly gateway?: string;
  readonly portNumber: number;
  readonly portName?: string;
  readonly vhost?: VirtualHostMatch;
}

export interface VirtualHostMatch {
  readonly name?: string;
  readonly domainName?: string;
  readonly route?: {
    readonly name?: string;
    readonly action: 'ANY' | 'ROUTE' | 'REDIRECT' | 'DIRECT_RESPONSE';
  };
}

export interface ClusterMatch {
  /** Where it is there, nothing else is looked at. */
  readonly name?: string;
  readonly service?: string;
  readonly portNumber: number;
  readonly subset?: string;
}

export interface ConfigMatch {
  readonly context: PatchContext;
  readonly proxy?: ProxyMatch;
  readonly listener?: ListenerMatch;
  readonly routeConfiguration?: RouteConfigurationMatch;
  readonly cluster?: ClusterMatch;
}

const uint32 = integer(0, 2 ** 32 - 1);

const proxy: Decoder<ProxyMatch> = object({
  proxyVersion: optional(
    refined(text, (decoded, path, report) => {
      const compiled = compileRegex(decoded);
      return compiled.ok ? decoded : report.error(path, `not a regular expression (RE2): ${compiled.reason}`);
    }),
    'A regular expression (RE2) that some part of `ISTIO_VERSION` of the node matches, or of `HEDDLE_VERSION` where there is none.',
  ),
  metadata: defaulted(mapOf(text), {}, 'Metadata of the node, each a text that must be equal.'),
});

const listener: Decoder<ListenerMatch> = object({
  name: optional(text, 'Its name ([envoy-filters.md](../envoy-filters.md#names)).'),
  portNumber: defaulted(
    uint32,
    0,
    'The port it takes; in `virtualInbound` and `virtualOutbound` that of the filter chain.',
  ),
  portName: optional(text, 'Not looked at, as in Istio.'),
  filterChain: optional(
    object({
      name: optional(text, 'Its name.'),
      sni: optional(text, 'One of `server_names` of its match.'),
      transportProtocol: optional(text, '`raw_buffer` or `tls`, of its match.'),
      applicationProtocols: optional(text, 'With commas between; all of them must be in its match.'),
      destinationPort: defaulted(uint32, 0, '`destination_port` of its match.'),
      filter: optional(
        object({
          name: defaulted(text, '', 'Also by the name that Envoy had for it before.'),
          subFilter: optional(
            object({ name: defaulted(text, '', 'Its name.') }),
            'A filter of the connection manager.',
          ),
        }),
        'A network filter.',
      ),
    }),
    'A filter chain; for what is in it as well.',
  ),
  listenerFilter: optional(text, 'Name of a listener filter.'),
});

const routeConfiguration: Decoder<RouteConfigurationMatch> = object({
  name: optional(text, 'Its name ([envoy-filters.md](../envoy-filters.md#names)).'),
  gateway: optional(
    text,
    '`namespace/name` of a Gateway whose routes stand alone (HTTPS); those of HTTP belong to a port.',
  ),
  portNumber: defaulted(uint32, 0, 'The port it is for.'),
  portName: optional(text, 'Of a Gateway whose routes stand alone.'),
  vhost: optional(
    object({
      name: optional(text, '`HOST:PORT`.'),
      domainName: optional(text, 'One of its domains, as it is written there.'),
      route: optional(
        object({
          name: optional(text, 'That of the rule of the VirtualService.'),
          action: defaulted(oneOf(['ANY', 'ROUTE', 'REDIRECT', 'DIRECT_RESPONSE']), 'ANY', 'What it does.'),
        }),
        'A route of it.',
      ),
    }),
    'A virtual host; for its routes as well.',
  ),
});

const cluster: Decoder<ClusterMatch> = object({
  name: optional(text, 'Its whole name; then nothing else is looked at.'),
  service: optional(text, 'The full host name of the service.'),
  portNumber: defaulted(
    uint32,
    0,
    'Of the service; of the workload where it is a cluster of the application.',
  ),
  subset: optional(text, 'Of its DestinationRule.'),
});

const port: Decoder<number> = integer(1, 65535);

const noEffect = 'Has no effect.';

const waypoint = object({
  portNumber: optional(port, noEffect),
  filter: optional(
    object({
      name: optional(text, noEffect),
      subFilter: optional(object({ name: optional(text, noEffect) }), noEffect),
    }),
    noEffect,
  ),
  route: optional(object({ name: optional(text, noEffect) }), noEffect),
});

export const configMatch: Decoder<ConfigMatch> = object(
  {
    context: defaulted(oneOf(contexts), 'ANY', '`WAYPOINT`: this mesh has none.'),
    proxy: optional(proxy, 'Which proxies, by what their nodes say.'),
    listener: optional(listener, 'A listener; for what is in it as well.'),
    routeConfiguration: optional(routeConfiguration, 'A route table; for what is in it as well.'),
    cluster: optional(cluster, 'A cluster.'),
    waypoint: optional(waypoint, 'Has no effect: this mesh has none.'),
  },
  (match, path, report) => {
    atMostOneOf(
      match,
      ['listener', 'routeConfiguration', 'cluster', 'waypoint'],
      'none is fine',
      path,
      report,
    );
    const isWaypoint = Object.hasOwn(match, 'waypoint');
    if (isWaypoint !== (match.context === 'WAYPOINT'))
      report.error(path, 'the context WAYPOINT goes with a match of a waypoint, and no other does');
  },
);
