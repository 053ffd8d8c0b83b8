/** Where a listener binds its sockets (Envoy, `Address` of a listener). */
import { formatIp, hostPort, isV4Mapped, parseIp } from '#core/ip-address.ts';
import type { Address, Pipe, SocketAddress } from '#xds/gen/envoy/config/core/v3/address_pb.js';
import { SocketAddress_Protocol as Protocol } from '#xds/gen/envoy/config/core/v3/address_pb.js';
import type { Findings } from '../findings.ts';
import type { KeepAlive } from '../keep-alive.ts';

interface IpAddress {
  readonly kind: 'tcp';
  /** As `inet_ntop` writes it. */
  readonly host: string;
  /** 0: one that is free. */
  readonly port: number;
  /** Whether `::` stands for IPv4 too. */
  readonly dualStack: boolean;
}

interface PathAddress {
  readonly kind: 'pipe';
  /** Begins with `@` in the abstract namespace (unix(7)). */
  readonly path: string;
  /** Permissions of the file; 0: as the process makes files. */
  readonly mode: number;
}

export type BindAddress = (IpAddress | PathAddress) & {
  /** Such as `127.0.0.1:80`, `[::]:80` or a path. */
  readonly text: string;
  readonly keepAlive: KeepAlive | undefined;
};

const MAX_PORT = 65_535;
/** unix(7), with the zero at its end. */
const MAX_PATH_BYTES = 108;
const MAX_MODE = 0o777;

export function readBindAddress(
  address: Address | undefined,
  path: string,
  keepAlive: KeepAlive | undefined,
  findings: Findings,
): BindAddress | undefined {
  const of = address?.address;
  switch (of?.case) {
    case 'socketAddress':
      return readSocketAddress(of.value, `${path}.socket_address`, keepAlive, findings);
    case 'pipe':
      return readPipe(of.value, `${path}.pipe`, findings);
    case 'envoyInternalAddress':
      findings.error(path, 'an internal address needs internal_listener');
      return undefined;
    default:
      findings.error(path, 'is missing');
      return undefined;
  }
}

function readSocketAddress(
  { address, portSpecifier, protocol, resolverName, ipv4Compat }: SocketAddress,
  path: string,
  keepAlive: KeepAlive | undefined,
  findings: Findings,
): BindAddress | undefined {
  if (protocol === Protocol.UDP) {
    findings.error(`${path}.protocol`, 'UDP and HTTP/3 are not supported: the runtime has no QUIC');
  }
  findings.refuse(`${path}.resolver_name`, resolverName !== '');
  if (portSpecifier.case === 'namedPort') findings.error(`${path}.named_port`, 'is not supported');
  const port = portSpecifier.case === 'portValue' ? portSpecifier.value : -1;
  if (portSpecifier.case === undefined) findings.error(`${path}.port_value`, 'is missing');
  if (port > MAX_PORT) findings.error(`${path}.port_value`, `${port} is no port (0 to ${MAX_PORT})`);
  const ip = parseIp(address);
  if (ip === undefined) {
    findings.error(`${path}.address`, `"${address}" is not an IP address`);
    return undefined;
  }
  const isAny = ip.length === 16 && ip.every((byte) => byte === 0);
  if (ipv4Compat && !isAny && !isV4Mapped(ip)) {
    findings.error(`${path}.ipv4_compat`, 'needs the address "::" or one that is IPv4-mapped');
  }
  const host = formatIp(ip);
  return { kind: 'tcp', host, port, dualStack: ipv4Compat, text: hostPort(host, port), keepAlive };
}

function readPipe({ path: name, mode }: Pipe, path: string, findings: Findings): BindAddress | undefined {
  if (name === '' || name === '@') findings.error(`${path}.path`, 'is missing');
  if (Buffer.byteLength(name) >= MAX_PATH_BYTES) {
    findings.error(`${path}.path`, `is longer than ${MAX_PATH_BYTES - 1} bytes`);
  }
  if (mode > MAX_MODE) findings.error(`${path}.mode`, 'must not be above 0777');
  if (name.startsWith('@') && mode !== 0) {
    findings.error(`${path}.mode`, 'cannot be set of a name in the abstract namespace');
  }
  return { kind: 'pipe', path: name, mode, text: name, keepAlive: undefined };
}
