/** Istio `Sidecar`: what the proxies of some workloads are told of, and how they take calls. */
import { type ConnectionPoolPolicy, connectionPool } from './connection-pool.ts';
import { atMost } from './decode/at-most.ts';
import { list, mapOf } from './decode/collection.ts';
import type { Decoder } from './decode/decoder.ts';
import { defaulted, meaningless, object, optional, required } from './decode/object.ts';
import { dnsName, integer, nonEmptyText, oneOf, portNumber, text } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';
import { type ServerTls, serverTls } from './gateway-tls.ts';
import { destinationHost } from './host-name.ts';
import { labelKey, labelValue } from './istio-selector.ts';
import type { KindDefinition } from './kind.ts';
import type { Labels, ResourceBase } from './metadata.ts';
import { checkSidecar, isUnixBind } from './sidecar-check.ts';

/** `NONE`: a socket of its own, whatever the kernel brings. */
export type CaptureMode = (typeof captureModes)[number];

const captureModes = ['DEFAULT', 'IPTABLES', 'NONE'] as const;

/** A port that a proxy listens on. */
export interface SidecarPort {
  /** 0: the socket of Unix that `bind` names. */
  readonly number: number;
  readonly name?: string;
  /** In capitals, such as `HTTP`; absent: found out. */
  readonly protocol?: string;
}

/** `namespace/host`: the namespace may be `*`, `.` (the own) or `~` (none), the host a wildcard. */
export interface ImportedHost {
  readonly namespace: string;
  readonly host: string;
}

export interface EgressListener {
  /** Absent: all ports that no other listener has. */
  readonly port?: SidecarPort;
  /** An IP address, or `unix:///PATH`. */
  readonly bind?: string;
  readonly captureMode: CaptureMode;
  readonly hosts: readonly ImportedHost[];
}

/** Where the application is: an address of its own, or a path of a socket of Unix. */
export type DefaultEndpoint =
  | { readonly at: 'loopback' | 'instance'; readonly family: 4 | 6; readonly port: number }
  | { readonly at: 'socket'; readonly path: string };

export interface IngressListener {
  readonly port: SidecarPort;
  readonly bind?: string;
  readonly captureMode: CaptureMode;
  /** Absent: the same port of the application. */
  readonly defaultEndpoint?: DefaultEndpoint;
  readonly connectionPool?: ConnectionPoolPolicy;
  readonly tls?: ServerTls;
}

/** Where calls go that the mesh knows nothing of. */
export interface SidecarOutboundPolicy {
  readonly mode: 'ALLOW_ANY' | 'REGISTRY_ONLY';
  /** Absent: where they were made to. */
  readonly egressProxy?: EgressProxy;
}

export interface EgressProxy {
  readonly host: string;
  readonly subset?: string;
  readonly port?: number;
}

export interface SidecarSpec {
  /** Absent: all workloads of the namespace, or of the mesh in its root namespace. */
  readonly workloadSelector?: Labels;
  /** Absent: everything there is. */
  readonly egress?: readonly EgressListener[];
  /** Absent: the ports of the services that lead to the workload. */
  readonly ingress?: readonly IngressListener[];
  /** Absent: what the mesh says. */
  readonly outboundTrafficPolicy?: SidecarOutboundPolicy;
  readonly inboundConnectionPool?: ConnectionPoolPolicy;
}

export type Sidecar = ResourceBase<'Sidecar', SidecarSpec>;

const protocols = [
  ...['HTTP', 'HTTP2', 'GRPC', 'GRPC-WEB', 'HTTPS', 'TLS', 'TCP', 'MONGO', 'MYSQL', 'REDIS', 'HTTP_PROXY'],
] as const;

const protocol: Decoder<string> = refined(text, (decoded, path, report) =>
  decoded === '' ? decoded : oneOf(protocols)(decoded.toUpperCase(), path, report),
);

const portFields = {
  name: optional(
    dnsName('no dots'),
    'Where `protocol` says nothing its first word says it, such as `http-a`.',
  ),
  protocol: optional(
    protocol,
    'What is spoken, such as `HTTP`; `HTTP_PROXY` of egress: requests name host and port.',
  ),
  targetPort: meaningless('Ports lead to no other ports.'),
} as const;

const egressPort: Decoder<SidecarPort> = object({
  ...portFields,
  number: defaulted(integer(0, 65_535), 0, 'Of the service; 0: the socket of Unix that `bind` names.'),
});
const ingressPort: Decoder<SidecarPort> = object({
  ...portFields,
  number: required(portNumber, 'Where callers come to: the target port of the service.'),
});

const wildcardHost = /^(?:\*|(?:\*\.)?[a-zA-Z0-9_](?:[-a-zA-Z0-9_.]*[a-zA-Z0-9_])?)$/;

const importedHost: Decoder<ImportedHost> = refined(nonEmptyText, (written, path, report) => {
  const slash = written.indexOf('/');
  if (slash < 0) {
    const message = `${JSON.stringify(written)} names no namespace`;
    return report.error(path, message, `write "./${written}" or "*/${written}"`);
  }
  const namespace = written.slice(0, slash);
  const host = written.slice(slash + 1);
  if (!/^(?:[*.~]|[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)$/.test(namespace))
    return report.error(path, `${JSON.stringify(namespace)} is neither "*", ".", "~" nor a namespace`);
  if (wildcardHost.test(host)) return { namespace, host: host.toLowerCase() };
  return report.error(path, `${JSON.stringify(host)} is not a host name`);
});

const captureMode = defaulted(
  oneOf(captureModes),
  'DEFAULT',
  '`NONE`: a socket of its own. Else what the kernel brings.',
);

const egress: Decoder<EgressListener> = object({
  port: optional(egressPort, 'Without it: all ports that no other listener has; that one comes last.'),
  bind: optional(nonEmptyText, 'An IP address, or `unix:///PATH`. Without it 127.0.0.1.'),
  captureMode,
  hosts: required(
    list(importedHost, 1),
    '`namespace/host`: the namespace may be `*`, `.` (the own) or `~` (none), the host a wildcard or `*`.',
  ),
});

const defaultEndpoint: Decoder<DefaultEndpoint> = refined(nonEmptyText, (written, path, report) => {
  if (isUnixBind(written)) return { at: 'socket', path: written.slice('unix://'.length) };
  const [, host = '', digits = ''] =
    /^(127\.0\.0\.1|0\.0\.0\.0|\[::1\]|\[::\]|):(\d{1,5})$/.exec(written) ?? [];
  const port = Number(digits);
  if (port < 1 || port > 65_535)
    return report.error(
      path,
      `${JSON.stringify(written)} is no place of the application`,
      'write 127.0.0.1:PORT, 0.0.0.0:PORT, [::1]:PORT, [::]:PORT or unix:///PATH',
    );
  const at = host === '0.0.0.0' || host === '[::]' ? 'instance' : 'loopback';
  return { at, family: host.includes('::') ? 6 : 4, port };
});

const ingress: Decoder<IngressListener> = object({
  port: required(ingressPort, 'Where it listens.'),
  bind: optional(
    nonEmptyText,
    'An IP address, with `captureMode: NONE` or without capture. Without it every one.',
  ),
  captureMode,
  defaultEndpoint: optional(
    defaultEndpoint,
    'Where the application is: `127.0.0.1:PORT`, `[::1]:PORT`, `0.0.0.0:PORT` or `[::]:PORT` (its own address), `unix:///PATH`. Without it the same port.',
  ),
  connectionPool: optional(connectionPool, 'Instead of `inboundConnectionPool`.'),
  tls: optional(
    serverTls,
    'TLS that ends here, for a port of HTTPS or TLS, with files beside the proxy. Where mutual TLS is `DISABLE` everybody speaks it, where it is `PERMISSIVE` those who are not of the mesh, and where it is `STRICT` nobody.',
  ),
});

const egressProxy: Decoder<EgressProxy> = refined(
  object({
    host: required(destinationHost, 'Of a service.'),
    subset: optional(dnsName('dots'), 'Of its DestinationRule.'),
    port: optional(object({ number: required(portNumber, 'Of the service.') }), 'Without it its first.'),
  }),
  ({ port, ...rest }) => ({ ...rest, ...(port !== undefined && { port: port.number }) }),
);

const outboundTrafficPolicy: Decoder<SidecarOutboundPolicy> = object(
  // Unset is the first of Istio's enumeration, not what a mesh does by default.
  {
    mode: defaulted(
      oneOf(['REGISTRY_ONLY', 'ALLOW_ANY']),
      'REGISTRY_ONLY',
      '`ALLOW_ANY`: where they were made to. `REGISTRY_ONLY`: nowhere; HTTP gets 502, and other connections end.',
    ),
    egressProxy: optional(egressProxy, 'A service that gets all of them, with `ALLOW_ANY`.'),
  },
  ({ mode, egressProxy: proxy }, path, report) => {
    if (proxy !== undefined && mode !== 'ALLOW_ANY')
      report.error([...path, 'egressProxy'], 'goes with the mode ALLOW_ANY only', 'write mode: ALLOW_ANY');
  },
);

const selector: Decoder<Labels> = refined(
  object({
    labels: defaulted(
      atMost(256, mapOf(labelValue, labelKey)),
      {},
      'Labels that a workload must have, all of them; no wildcards.',
    ),
  }),
  ({ labels }) => labels,
);

const fields = object(
  {
    workloadSelector: optional(
      selector,
      'Whom it is for. Without it: the namespace, and in the root namespace (`istio-system`) the mesh.',
    ),
    egress: optional(
      list(egress),
      'What the proxies are told of. Without it: all that is exported to the namespace.',
    ),
    ingress: optional(list(ingress), 'Where they take calls. Without it: the ports of services and Pods.'),
    outboundTrafficPolicy: optional(
      outboundTrafficPolicy,
      'Where calls go that are for none of these hosts. Without it what the mesh says.',
    ),
    inboundConnectionPool: optional(connectionPool, 'Limits of calls to the application.'),
  },
  checkSidecar,
);

export const sidecarKind: KindDefinition<Sidecar> = {
  kind: 'Sidecar',
  group: 'networking.istio.io',
  versions: ['v1', 'v1beta1', 'v1alpha3'],
  scope: 'namespace',
  about: 'What the proxies of some workloads are told of, and how they take calls: [scoping](../scoping.md).',
  fields: { spec: required(fields), status: meaningless() },
  guards: true,
};
