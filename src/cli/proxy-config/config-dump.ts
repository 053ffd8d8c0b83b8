/**
 * Envoy's `/config_dump` as JSON, read with care: it may come from our proxy, a real Envoy of any
 * version, or a file somebody sent. What is missing is empty, never a crash.
 */

export type Json = Readonly<Record<string, unknown>>;

/** The kinds that are shown, each a list of its resources. */
export interface ConfigDump {
  readonly listeners: readonly Json[];
  readonly routes: readonly Json[];
  readonly clusters: readonly Json[];
  readonly secrets: readonly SecretEntry[];
}

export interface SecretEntry {
  readonly state: 'ACTIVE' | 'WARMING';
  readonly name: string;
  readonly secret: Json;
}

export function object(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

export function objects(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.map(object) : [];
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
}

/** @param dump the parsed JSON: `{ configs: [...] }` */
export function readConfigDump(dump: unknown): ConfigDump {
  const sections = objects(object(dump).configs);
  const section = (name: string): Json =>
    sections.find((one) => text(one['@type']).endsWith(`.${name}`)) ?? {};
  const listeners = section('ListenersConfigDump');
  const routes = section('RoutesConfigDump');
  const clusters = section('ClustersConfigDump');
  return {
    listeners: [
      ...objects(listeners.static_listeners).map((entry) => object(entry.listener)),
      ...objects(listeners.dynamic_listeners)
        .map((entry) => object(object(entry.active_state).listener))
        .filter((listener) => Object.keys(listener).length > 0),
    ],
    routes: [...objects(routes.static_route_configs), ...objects(routes.dynamic_route_configs)].map((entry) =>
      object(entry.route_config),
    ),
    clusters: [...objects(clusters.static_clusters), ...objects(clusters.dynamic_active_clusters)].map(
      (entry) => object(entry.cluster),
    ),
    secrets: secretEntries(section('SecretsConfigDump')),
  };
}

function secretEntries(section: Json): readonly SecretEntry[] {
  const entries = (list: unknown, state: SecretEntry['state']): SecretEntry[] =>
    objects(list).map((entry) => ({ state, name: text(entry.name), secret: object(entry.secret) }));
  return [
    ...entries(section.static_secrets, 'ACTIVE'),
    ...entries(section.dynamic_active_secrets, 'ACTIVE'),
    ...entries(section.dynamic_warming_secrets, 'WARMING'),
  ];
}

/** The resource of Istio that made a part, from its metadata: `reviews.default`, or '' when it does not say. */
export function owner(part: Json): string {
  const config = text(object(object(object(part.metadata).filter_metadata).istio).config);
  // /apis/networking.istio.io/v1/namespaces/default/virtual-service/reviews
  const match = /\/namespaces\/([^/]+)\/[^/]+\/([^/]+)$/.exec(config);
  return match === null ? '' : `${match[2]}.${match[1]}`;
}
