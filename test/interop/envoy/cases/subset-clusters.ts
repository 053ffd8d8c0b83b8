/** Clusters with subsets, and what a table of cases about one is. */
import { address, extension, type Message } from '../harness/bootstrap.ts';

/** Even: two endpoints get the same number of them. */
export const REQUESTS = 4;
/** Of requests that fail: Envoy does not keep more answers for one client. */
export const FAILING = 2;

export const lb = (fields: Message): Message => ({ filter_metadata: { 'envoy.lb': fields } });

export interface Place {
  readonly metadata?: Message;
  readonly priority?: number;
  readonly health?: 'HEALTHY' | 'UNHEALTHY' | 'DEGRADED';
  readonly zone?: string;
  readonly zoneWeight?: number;
}

/** An endpoint at one of the backends. */
export const at = (port: number, place: Place = {}): Message => ({
  priority: place.priority ?? 0,
  ...(place.zone !== undefined && { locality: { zone: place.zone } }),
  ...(place.zoneWeight !== undefined && { load_balancing_weight: place.zoneWeight }),
  lb_endpoints: [
    {
      endpoint: address(port),
      health_status: place.health ?? 'HEALTHY',
      ...(place.metadata !== undefined && { metadata: lb(place.metadata) }),
    },
  ],
});

export const clusterOf = (name: string, endpoints: readonly Message[], more: Message): Message => ({
  name,
  type: 'STATIC',
  connect_timeout: '1s',
  load_assignment: { cluster_name: name, endpoints },
  ...more,
});

export const policy = (name: string, fields: Message = {}): Message => ({
  policies: [{ typed_extension_config: extension(name, `load_balancing_policies.${name}`, fields) }],
});
const ROUND_ROBIN = policy('round_robin.v3.RoundRobin');

/** Each way of saying the same. */
export const legacy = (fields: Message): Message => ({ lb_subset_config: fields });
export const typed = (fields: Message, inner: Message = ROUND_ROBIN): Message => ({
  load_balancing_policy: policy('subset.v3.Subset', { ...fields, subset_lb_policy: inner }),
});

export interface Row {
  readonly name: string;
  readonly path: string;
  /** Where all requests go; `none`: they fail, `any`: to all backends in turn. */
  readonly to: 'a' | 'b' | 'c' | 'none' | 'any';
  readonly headers?: readonly string[];
  readonly stats?: Readonly<Record<string, number>>;
}

export const byVersion: Message = { subset_selectors: [{ keys: ['version'] }] };
export const SELECTORS: readonly Message[] = [
  { keys: ['version'] },
  { keys: ['stage', 'version'] },
  { keys: ['stage'], fallback_policy: 'ANY_ENDPOINT' },
];

export interface Table {
  readonly cluster: (ports: Ports) => Message;
  /** Metadata that routes to it ask for, by the last part of their paths. */
  readonly routes: Readonly<Record<string, Message>>;
  readonly rows: readonly Row[];
}

export interface Ports {
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

export const versions = ({ a, b }: Ports): Message[] => [
  at(a, { metadata: { version: '1', stage: 'prod' } }),
  at(b, { metadata: { version: '2', stage: 'dev' } }),
];
