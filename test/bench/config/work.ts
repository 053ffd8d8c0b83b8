/**
 * What every proxy of a row does besides forwarding, in one place, so that they are compared at the same
 * work: a request id, x-forwarded-for and -proto, an armed route timeout, a retry policy of two, stats, and
 * one line of access log a request to a file.
 */

/** Long enough never to fire: it is there to be armed and disarmed. */
export const routeTimeoutSeconds = 15;
export const retries = 2;
/** Idle connections a proxy keeps to its upstream; more than the load ever opens. */
export const upstreamConnections = 256;

/** Where a proxy listens and what stands behind it. */
export interface Hop {
  readonly listenPort: number;
  readonly upstreamPort: number;
  /** The proxy's own numbers: Envoy's admin interface, nginx's stub_status, haproxy's exporter. */
  readonly statsPort: number;
  /** TLS towards the client, TLS towards the upstream, or neither. Both sides show certificates. */
  readonly tls: 'none' | 'terminate' | 'originate';
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
