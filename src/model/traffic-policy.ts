/** `trafficPolicy` of a DestinationRule: how callers balance, and whether they use TLS. */

import { type ConnectionPoolPolicy, connectionPool } from './connection-pool.ts';
import { list } from './decode/collection.ts';
import type { Decoder } from './decode/decoder.ts';
import { object, optional, required, unsupported, unsupportedIf } from './decode/object.ts';
import { oneOf, portNumber } from './decode/scalar.ts';
import { type OutlierPolicy, outlierDetection } from './outlier-detection.ts';

export type SimpleLoadBalancer = 'ROUND_ROBIN' | 'RANDOM' | 'LEAST_REQUEST';

export interface PortTrafficPolicy {
  /** Absent: Istio's default, least request. */
  readonly loadBalancer?: { readonly simple?: SimpleLoadBalancer };
  readonly connectionPool?: ConnectionPoolPolicy;
  readonly outlierDetection?: OutlierPolicy;
  readonly tls?: ClientTls;
}

export interface TrafficPolicy extends PortTrafficPolicy {
  /** Replace the whole policy for their port (Istio does not merge them). */
  readonly portLevelSettings?: readonly (PortTrafficPolicy & {
    readonly port: { readonly number: number };
  })[];
}

export interface ClientTls {
  /** `DISABLE`: plain text; `ISTIO_MUTUAL`: the mesh's own certificates. */
  readonly mode: 'DISABLE' | 'ISTIO_MUTUAL';
}

const simple: Decoder<SimpleLoadBalancer> = (value, path, report) => {
  // Names that Istio keeps for old documents.
  if (value === 'LEAST_CONN' || value === 'UNSPECIFIED') return 'LEAST_REQUEST';
  if (value === 'PASSTHROUGH') {
    report.unsupported(path, 'adds', 'the load balancer PASSTHROUGH');
    return 'LEAST_REQUEST';
  }
  return oneOf(['ROUND_ROBIN', 'RANDOM', 'LEAST_REQUEST'])(value, path, report);
};

const loadBalancer = object({
  simple: optional(simple),
  consistentHash: unsupported('adds'),
  localityLbSetting: unsupported('adds'),
  warmup: unsupported('adds'),
  warmupDurationSecs: unsupported('adds'),
  zoneAwareLbSetting: unsupported('adds'),
});

const tlsMode: Decoder<ClientTls['mode']> = (value, path, report) => {
  if (value === 'SIMPLE' || value === 'MUTUAL') {
    report.unsupported(path, 'closes', `the mode ${value}`);
    // Somebody allowed it: with plain text at least nothing pretends to be verified.
    return 'DISABLE';
  }
  return oneOf(['DISABLE', 'ISTIO_MUTUAL'])(value, path, report);
};

const tls: Decoder<ClientTls> = object({
  mode: required(tlsMode),
  caCertificates: unsupported('closes'),
  caCrl: unsupported('closes'),
  clientCertificate: unsupported('closes'),
  credentialName: unsupported('closes'),
  insecureSkipVerify: unsupportedIf('closes', (value) => value !== false),
  privateKey: unsupported('closes'),
  sni: unsupported('closes'),
  subjectAltNames: unsupported('closes'),
});

const portFields = {
  loadBalancer: optional(loadBalancer),
  connectionPool: optional(connectionPool),
  tls: optional(tls),
  outlierDetection: optional(outlierDetection),
} as const;

const allFields = {
  ...portFields,
  proxyProtocol: unsupported('adds'),
  retryBudget: unsupported('adds'),
  tunnel: unsupported('closes'),
} as const;

export const trafficPolicy: Decoder<TrafficPolicy> = object({
  ...allFields,
  portLevelSettings: optional(
    list(object({ ...portFields, port: required(object({ number: required(portNumber) })) })),
  ),
});
