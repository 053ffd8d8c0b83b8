/**
 * What every proxy of a row does besides forwarding, in one place, so that they are compared at the same
 * work: a request id, x-forwarded-for and -proto, an armed route timeout, a retry policy of two, stats, and
 * one line of access log a request to a file.
 */

/** Long enough never to fire: it is there to be armed and disarmed. */
export const routeTimeoutSeconds = 15;
export const retries = 2;
/** Connections a proxy takes at most: more than any row opens, within the usual limits of open files. */
export const maxConnections = 8192;
/** Idle connections a proxy keeps to its upstream; more than the load ever opens. */
export const upstreamConnections = 256;

/**
 * What passes: `h2` and `grpc` are HTTP/2 on both sides, where the proxy can; the others HTTP/1.1, or bytes.
 * `websocket` is an upgrade of HTTP/1.1.
 */
export type Traffic = 'h1' | 'h2' | 'grpc' | 'websocket' | 'tcp';

/**
 * TLS towards the client: none, with certificates on both sides (`terminate`), with the server's alone
 * (`serve`). Or towards the upstream, with certificates on both sides (`originate`).
 */
export type Tls = 'none' | 'terminate' | 'serve' | 'originate';

/** What a route table has besides the route that takes everything: none of it matches a request of the load. */
export interface Elsewhere {
  /** Routes of the same host, before that one. */
  readonly routes: number;
  /** Hosts of one route. */
  readonly hosts: number;
  /** Clusters of fifty endpoints, which no route points at. */
  readonly clusters: number;
}

export const nothingElse: Elsewhere = { routes: 0, hosts: 0, clusters: 0 };

/** What the way of a request has besides, in the form of Envoy's messages: Heddle and Envoy have it alone. */
export interface Besides {
  /** HTTP filters before the router. */
  readonly filters?: readonly object[];
  /** Fields of the route's action. */
  readonly route?: object;
  /** Fields of the cluster. */
  readonly cluster?: object;
  /** Endpoints that are the backend, each by another address of this host; absent: one. */
  readonly endpoints?: number;
  /** Endpoints where nobody listens. */
  readonly deadEndpoints?: number;
}

/** Where a proxy listens and what stands behind it. */
export interface Hop {
  readonly traffic: Traffic;
  readonly tls: Tls;
  readonly elsewhere: Elsewhere;
  readonly besides?: Besides;
  /** Worker threads, or processes where the proxy has those. */
  readonly threads: number;
  readonly listenPort: number;
  readonly upstreamPort: number;
  /** The proxy's own numbers: Envoy's admin interface, nginx's stub_status, haproxy's exporter. */
  readonly statsPort: number;
  readonly certificates: Certificates;
  readonly accessLog: string;
  /** A folder of this proxy's own for its configuration and scratch files. */
  readonly folder: string;
}

/** PEM files; one leaf serves both sides. */
export interface Certificates {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  /** Certificate and key in one file, as haproxy wants them. */
  readonly pair: string;
}

/** The names in the leaf. */
export const leafDnsName = 'bench.local';
export const leafSpiffeId = 'spiffe://cluster.local/ns/default/sa/bench';
