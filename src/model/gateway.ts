/** Istio `Gateway`: the ports on which gateways of certain labels take requests, and for which hosts. */

import { didYouMean } from '#core/did-you-mean.ts';
import { parseIp } from '#core/ip-address.ts';
import { list } from './decode/collection.ts';
import type { Decoder, Path, Report } from './decode/decoder.ts';
import { defaulted, meaningless, object, optional, required } from './decode/object.ts';
import { integer, nonEmptyText, text } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';
import { type ServerTls, serverTls, terminatesTls } from './gateway-tls.ts';
import { hostName } from './host-name.ts';
import type { KindDefinition } from './kind.ts';
import { type Labels, labels, type ResourceBase } from './metadata.ts';

const protocols = [
  'HTTP',
  'HTTPS',
  'GRPC',
  'GRPC-WEB',
  'HTTP2',
  'MONGO',
  'MYSQL',
  'REDIS',
  'TCP',
  'TLS',
] as const;

export type GatewayProtocol = (typeof protocols)[number];

export interface GatewayServer {
  readonly name?: string;
  /** Number 0: of a Unix socket. */
  readonly port: { readonly number: number; readonly name: string; readonly protocol: GatewayProtocol };
  /** An address, or `unix://PATH`; absent: the gateway's own. */
  readonly bind?: string;
  /** `*`, `*.example.com` or a name, without the namespace some write before it. */
  readonly hosts: readonly GatewayHost[];
  readonly tls?: ServerTls;
}

export interface GatewayHost {
  readonly host: string;
  /** Only VirtualServices of this namespace may use it; absent: of any. */
  readonly namespace?: string;
}

export interface GatewaySpec {
  /** Of the gateway's pods. Empty: all gateways. */
  readonly selector: Labels;
  readonly servers: readonly GatewayServer[];
}

export type Gateway = ResourceBase<'Gateway', GatewaySpec>;

/** What is carried inside, where there is TLS, and whether there is. */
export interface Carried {
  readonly http: boolean;
  readonly tls: boolean;
}

export function carriedBy(protocol: GatewayProtocol): Carried {
  const tls = protocol === 'HTTPS' || protocol === 'TLS';
  return { http: ['HTTP', 'HTTPS', 'HTTP2', 'GRPC', 'GRPC-WEB'].includes(protocol), tls };
}

/** Whether requests are what it takes: plain ones, or those within TLS that it ends itself. */
export function takesRequests({ port, tls }: GatewayServer): boolean {
  const carried = carriedBy(port.protocol);
  return carried.http && (!carried.tls || (tls !== undefined && terminatesTls(tls)));
}

const protocol: Decoder<GatewayProtocol> = refined(text, (written, path, report) => {
  const known = protocols.find((one) => one === written.toUpperCase());
  const fix = didYouMean(written.toUpperCase(), protocols);
  return known ?? report.error(path, `${JSON.stringify(written)} is no protocol`, fix);
});

/** `host`, `namespace/host`, `./host` or `* /host` without the blank. */
const gatewayHost: Decoder<GatewayHost> = refined(text, (written, path, report) => {
  const slash = written.indexOf('/');
  const host = hostName(written.slice(slash + 1), path, report);
  if (host === undefined) return undefined;
  if (host !== '*' && !host.includes('.')) {
    const fix = `write the whole name, such as "${host}.example.com", or "*"`;
    return report.error(path, `short names such as ${JSON.stringify(host)} are not taken here`, fix);
  }
  const namespace = slash < 0 ? '*' : written.slice(0, slash);
  if (namespace === '*') return { host };
  return namespace === '.' || /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace)
    ? { host, namespace }
    : report.error(path, `${JSON.stringify(namespace)} is no namespace`);
});

const port = object({
  number: required(
    integer(0, 65535),
    'As people outside call it; `heddle up` gives it a port of this machine. 0 with a Unix socket.',
  ),
  name: required(nonEmptyText, 'Unlike that of every other server of the Gateway.'),
  protocol: required(protocol, `One of ${protocols.join(', ')}.`),
  targetPort: meaningless('No effect on a gateway, in Istio neither.'),
});

const server: Decoder<GatewayServer> = object(
  {
    name: optional(text, 'Unlike that of every other server of the Gateway.'),
    port: required(port, 'Where it listens, and for what.'),
    hosts: required(
      list(gatewayHost, 1),
      'Hosts of VirtualServices that it serves, `NAMESPACE/HOST` for those of one namespace; of TLS also the SNI.',
    ),
    bind: optional(
      text,
      'Where it listens, an IP address or `unix://PATH`; else the address of the gateway.',
    ),
    defaultEndpoint: meaningless('No effect on a gateway, in Istio neither.'),
    tls: optional(serverTls, 'For HTTPS and TLS; of a plain server `httpsRedirect` alone.'),
  },
  checkServer,
);

const unixPrefix = 'unix://';

/** The path of a Unix socket that a server is bound to. */
export function unixPath({ bind = '' }: Pick<GatewayServer, 'bind'>): string | undefined {
  return bind.startsWith(unixPrefix) ? bind.slice(unixPrefix.length) : undefined;
}

function checkServer(server: GatewayServer, path: Path, report: Report): void {
  const { port, bind = '', tls } = server;
  const socket = unixPath(server);
  if (socket === undefined && port.number === 0)
    report.error([...path, 'port', 'number'], 'must be from 1 to 65535, not 0');
  if (socket !== undefined && port.number !== 0) {
    const fix = 'write 0';
    report.error([...path, 'port', 'number'], `a Unix socket has no port, so it is not ${port.number}`, fix);
  }
  const isAddress =
    bind === '' || parseIp(bind) !== undefined || socket?.startsWith('/') || socket?.startsWith('@');
  if (!isAddress)
    report.error([...path, 'bind'], `${JSON.stringify(bind)} is no IP address and no unix:///PATH`);
  const carried = carriedBy(port.protocol);
  if (carried.tls && tls === undefined) {
    report.error(
      [...path, 'tls'],
      `${port.protocol} needs tls settings`,
      'such as {mode: SIMPLE, credentialName: NAME}',
    );
  }
  if (tls === undefined || carried.tls) {
    if (tls?.httpsRedirect) report.warning([...path, 'tls', 'httpsRedirect'], 'is for servers without TLS');
    return;
  }
  const isEmpty =
    !terminatesTls(tls) && `${tls.serverCertificate}${tls.privateKey}${tls.caCertificates}` === '';
  if (!carried.http || !isEmpty) {
    const fix = `write the protocol ${carried.http ? 'HTTPS' : 'TLS'}`;
    report.error([...path, 'tls'], `${port.protocol} is without TLS, and would be open`, fix);
  }
}

/** Istio tells ports of one Gateway by their names. */
function checkNames({ servers }: GatewaySpec, path: Path, report: Report): void {
  const ports = new Set<string>();
  const names = new Set<string>();
  for (const [i, { name = '', port }] of servers.entries()) {
    if (ports.has(port.name)) {
      const message = `another server has a port called ${JSON.stringify(port.name)}`;
      report.error([...path, 'servers', i, 'port', 'name'], message, `such as "${port.name}-${i + 1}"`);
    }
    if (name !== '' && names.has(name))
      report.error([...path, 'servers', i, 'name'], `another server is called ${JSON.stringify(name)}`);
    ports.add(port.name);
    names.add(name);
  }
}

const spec: Decoder<GatewaySpec> = object(
  {
    selector: defaulted(labels, {}, "Labels of the gateway's Pods, of any namespace; empty: all gateways."),
    servers: required(
      list(server, 1),
      'Of several at one port those without TLS must all take HTTP, and those with TLS have other hosts; the older Gateway wins.',
    ),
  },
  checkNames,
);

export const gatewayKind: KindDefinition<Gateway> = {
  kind: 'Gateway',
  group: 'networking.istio.io',
  versions: ['v1', 'v1beta1', 'v1alpha3'],
  scope: 'namespace',
  about:
    'Ports on which gateways take requests and connections, and for which hosts ([gateways.md](../gateways.md)).',
  fields: { spec: required(spec), status: meaningless() },
};
