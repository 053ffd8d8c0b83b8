/**
 * A configuration that changes at random, as a model: which resources there are, and where each request goes. It holds
 * the proxy to what it should have by then.
 */

import {
  address,
  extension,
  httpListener,
  type Message,
  route as routeOf,
} from '../../interop/envoy/harness/bootstrap.ts';
import type { Draw } from '../../interop/envoy/harness/draw.ts';
import type { Holder } from '../../support/certificates.ts';

export const kinds = ['cluster', 'endpoint', 'listener', 'route', 'secret'] as const;
export type Kind = (typeof kinds)[number];

/** What a request is answered with: by one of these upstreams, or by the proxy itself. */
export type Answer = { readonly upstreams: readonly number[] } | { readonly status: number };

interface Cluster {
  readonly upstreams: readonly number[];
  readonly discovered: boolean;
  readonly timeoutMs: number;
  readonly policy: 'ROUND_ROBIN' | 'LEAST_REQUEST' | 'RANDOM';
}

type Action = { readonly cluster: string } | { readonly status: number };

interface Route {
  readonly hosts: readonly {
    readonly domain: string;
    readonly routes: readonly { readonly prefix: string; readonly action: Action }[];
  }[];
}

interface Listener {
  readonly port: number;
  readonly route: string;
  /** Absent: plaintext. */
  readonly secret?: string;
  readonly revision: number;
}

interface State {
  readonly clusters: Map<string, Cluster>;
  readonly routes: Map<string, Route>;
  readonly listeners: Map<string, Listener>;
  /** Which of the certificates each holds. */
  readonly secrets: Map<string, number>;
}

/** A request that can be made, and what should come of it. */
export interface Probe {
  readonly port: number;
  readonly host: string;
  readonly path: string;
  /** Serial number of the certificate that is shown; absent: plaintext. */
  readonly serialNumber?: string;
  readonly answer: Answer;
}

export interface Surroundings {
  /** Ports of the upstreams. */
  readonly upstreams: readonly number[];
  /** Of listeners, one each. */
  readonly ports: readonly number[];
  readonly certificates: readonly Holder[];
}

export type Resources = Readonly<Record<Kind, ReadonlyMap<string, Message>>>;

const clusterNames = ['c0', 'c1', 'c2', 'c3', 'c4', 'c5'];
const routeNames = ['r0', 'r1', 'r2'];
const secretNames = ['s0', 's1'];
const domains = ['a.example', 'b.example', '*.c.example', '*'];
const prefixes = ['/one', '/two', '/one/more', '/'];
const hostOf = (domain: string): string => domain.replace('*.', 'any.').replace(/^\*$/, 'other.example');
const ads: Message = { ads: {}, resource_api_version: 'V3' };

export class Model {
  readonly #draw: Draw;
  readonly #around: Surroundings;
  readonly #state: State = {
    clusters: new Map(),
    routes: new Map(),
    listeners: new Map(),
    secrets: new Map(secretNames.map((name) => [name, 0])),
  };

  constructor(draw: Draw, around: Surroundings) {
    this.#draw = draw;
    this.#around = around;
    for (const name of clusterNames.slice(0, 2)) this.#state.clusters.set(name, this.#newCluster());
    for (const name of routeNames) this.#state.routes.set(name, this.#newRoute());
    this.#changeListener();
  }

  /** Something else of one to four things. */
  change(): void {
    const changes = [
      () => this.#changeCluster(),
      () => this.#changeCluster(),
      () => this.#state.routes.set(this.#draw.pick(routeNames), this.#newRoute()),
      () => this.#changeListener(),
      () =>
        this.#state.secrets.set(
          this.#draw.pick(secretNames),
          this.#draw.int(0, this.#around.certificates.length - 1),
        ),
    ];
    for (let count = this.#draw.int(1, 4); count > 0; count--) this.#draw.pick(changes)();
  }

  #newCluster(): Cluster {
    const all = this.#around.upstreams.map((_, at) => at);
    return {
      upstreams: this.#draw.shuffle(all).slice(0, this.#draw.int(0, all.length)),
      discovered: this.#draw.next() < 0.7,
      timeoutMs: this.#draw.int(1, 5) * 1000,
      policy: this.#draw.pick(['ROUND_ROBIN', 'LEAST_REQUEST', 'RANDOM'] as const),
    };
  }

  #newRoute(): Route {
    const chosen = this.#draw.shuffle(domains).slice(0, this.#draw.int(1, domains.length));
    return {
      hosts: chosen.map((domain) => ({
        domain,
        routes: this.#draw
          .shuffle(prefixes)
          .slice(0, this.#draw.int(1, prefixes.length))
          .map((prefix) => ({ prefix, action: this.#newAction() })),
      })),
    };
  }

  /** Of clusters that there may not be, too. */
  #newAction(): Action {
    return this.#draw.next() < 0.2
      ? { status: this.#draw.pick([204, 404, 418]) }
      : { cluster: this.#draw.pick(clusterNames) };
  }

  #changeCluster(): void {
    const { clusters } = this.#state;
    const name = this.#draw.pick(clusterNames);
    const before = clusters.get(name);
    if (before !== undefined && this.#draw.next() < 0.2) clusters.delete(name);
    // More often than not, its endpoints alone.
    else if (before?.discovered === true && this.#draw.next() < 0.6)
      clusters.set(name, { ...before, upstreams: this.#newCluster().upstreams });
    else clusters.set(name, this.#newCluster());
  }

  #changeListener(): void {
    const { listeners } = this.#state;
    const at = this.#draw.int(0, this.#around.ports.length - 1);
    const name = `l${at}`;
    if (listeners.size > 1 && listeners.has(name) && this.#draw.next() < 0.2) {
      listeners.delete(name);
      return;
    }
    listeners.set(name, {
      port: this.#around.ports[at]!,
      route: this.#draw.pick(routeNames),
      ...(this.#draw.next() < 0.4 ? { secret: this.#draw.pick(secretNames) } : {}),
      revision: this.#draw.int(0, 1),
    });
  }

  /** What should be sent and held: nothing that nothing refers to. */
  resources(): Resources {
    const { clusters, routes, listeners, secrets } = this.#state;
    const usedRoutes = new Set([...listeners.values()].map(({ route }) => route));
    const usedSecrets = new Set([...listeners.values()].flatMap(({ secret }) => secret ?? []));
    const discovered = [...clusters].filter(([, { discovered: by }]) => by);
    return {
      cluster: new Map([...clusters].map(([name, one]) => [name, this.#clusterMessage(name, one)])),
      endpoint: new Map(discovered.map(([name, one]) => [name, this.#assignment(name, one)])),
      listener: new Map([...listeners].map(([name, one]) => [name, listenerMessage(name, one)])),
      route: new Map(
        [...routes]
          .filter(([name]) => usedRoutes.has(name))
          .map(([name, one]) => [name, routeMessage(name, one)]),
      ),
      secret: new Map(
        [...secrets]
          .filter(([name]) => usedSecrets.has(name))
          .map(([name, at]) => [name, this.#secretMessage(name, at)]),
      ),
    };
  }

  #clusterMessage(name: string, { discovered, timeoutMs, policy, upstreams }: Cluster): Message {
    return {
      name,
      connect_timeout: `${timeoutMs / 1000}s`,
      lb_policy: policy,
      ...(discovered
        ? { type: 'EDS', eds_cluster_config: { eds_config: ads } }
        : { type: 'STATIC', load_assignment: this.#endpoints(name, upstreams) }),
    };
  }

  #assignment(name: string, { upstreams }: Cluster): Message {
    return this.#endpoints(name, upstreams);
  }

  #endpoints(name: string, upstreams: readonly number[]): Message {
    const lbEndpoints = upstreams.map((at) => ({ endpoint: address(this.#around.upstreams[at]) }));
    return { cluster_name: name, endpoints: upstreams.length === 0 ? [] : [{ lb_endpoints: lbEndpoints }] };
  }

  #secretMessage(name: string, at: number): Message {
    const { cert, key } = this.#around.certificates[at]!;
    return {
      name,
      tls_certificate: { certificate_chain: { inline_string: cert }, private_key: { inline_string: key } },
    };
  }

  /** A request to each listener for each of a few hosts and paths. */
  probes(): Probe[] {
    return [...this.#state.listeners.values()].flatMap(({ port, route, secret }) => {
      const serial =
        secret === undefined
          ? {}
          : { serialNumber: this.#around.certificates[this.#state.secrets.get(secret)!]!.serialNumber };
      return [0, 1].map(() => {
        const host = hostOf(this.#draw.pick(domains));
        const path = `${this.#draw.pick(prefixes)}/x`.replace('//', '/');
        return { port, host, path, ...serial, answer: this.#answerOf(route, host, path) };
      });
    });
  }

  #answerOf(name: string, host: string, path: string): Answer {
    const hosts = this.#state.routes.get(name)?.hosts ?? [];
    const found =
      hosts.find(({ domain }) => domain === host) ??
      hosts.find(({ domain }) => domain.startsWith('*.') && host.endsWith(domain.slice(1))) ??
      hosts.find(({ domain }) => domain === '*');
    const action = found?.routes.find(({ prefix }) => path.startsWith(prefix))?.action;
    if (action === undefined) return { status: 404 };
    if ('status' in action) return action;
    const upstreams = this.#state.clusters.get(action.cluster)?.upstreams ?? [];
    return upstreams.length === 0 ? { status: 503 } : { upstreams };
  }
}

function routeMessage(name: string, { hosts }: Route): Message {
  return {
    name,
    virtual_hosts: hosts.map(({ domain, routes }, at) => ({
      name: `host-${at}`,
      domains: [domain],
      routes: routes.map(({ prefix, action }) =>
        'status' in action
          ? { match: { prefix }, direct_response: { status: action.status } }
          : routeOf(prefix, { cluster: action.cluster }),
      ),
    })),
  };
}

function listenerMessage(name: string, { port, route, secret, revision }: Listener): Message {
  const plain = httpListener(name, {
    hcm: {
      route_config: undefined,
      access_log: undefined,
      rds: { route_config_name: route, config_source: ads },
      max_request_headers_kb: 60 + revision,
    },
  });
  const [chain] = plain.filter_chains as readonly Message[];
  const transport = extension('tls', 'transport_sockets.tls.v3.DownstreamTlsContext', {
    common_tls_context: { tls_certificate_sds_secret_configs: [{ name: secret, sds_config: ads }] },
  });
  return {
    ...plain,
    ...address(port),
    filter_chains: [secret === undefined ? chain : { ...chain, transport_socket: transport }],
  };
}

/** A resource that no proxy can take: one of its own, or another form of what is there. */
export function wrong(kind: Kind, name: string, right: Message | undefined): Message {
  switch (kind) {
    case 'cluster':
      return { ...right, name, type: 'STATIC', eds_cluster_config: undefined, connect_timeout: '-1s' };
    case 'endpoint':
      return { cluster_name: name, endpoints: [{ priority: 200 }] };
    case 'listener':
      return {
        name,
        stat_prefix: name,
        ...address(1),
        filter_chains: [{ filters: [extension('none', 'filters.http.router.v3.Router')] }],
      };
    case 'route': {
      const routes = [{ match: { safe_regex: { regex: '(' } }, route: { cluster: 'c0' } }];
      return { name, virtual_hosts: [{ name: 'wrong', domains: ['*'], routes }] };
    }
    case 'secret':
      return {
        name,
        tls_certificate: {
          certificate_chain: { inline_string: 'none' },
          private_key: { inline_string: 'none' },
        },
      };
  }
}
