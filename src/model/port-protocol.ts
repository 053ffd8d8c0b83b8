/**
 * The protocol of a service's port: `appProtocol`, or the part of its name before the first `-`; where neither says it,
 * each connection shows by its first bytes whether it is HTTP (Istio).
 */
import type { ServicePort } from './service.ts';

/** `AUTO`: as one of the others, by the first bytes of each connection. */
export type CarriedProtocol = 'HTTP' | 'TCP' | 'AUTO';

export interface PortProtocol {
  /** What was written, such as `GRPC`; `AUTO` where it is found out. */
  readonly protocol: string;
  /** How proxies treat it. */
  readonly carriedAs: CarriedProtocol;
  /** Whether the application speaks HTTP/2 on it, and nothing else. */
  readonly http2: boolean;
  /** Whether callers begin TLS themselves. */
  readonly tls: boolean;
}

const carried: Readonly<Record<string, 'HTTP' | 'TCP'>> = {
  http: 'HTTP',
  'kubernetes.io/ws': 'HTTP',
  http2: 'HTTP',
  'kubernetes.io/h2c': 'HTTP',
  grpc: 'HTTP',
  'grpc-web': 'HTTP',
  https: 'TCP',
  'kubernetes.io/wss': 'TCP',
  tls: 'TCP',
  tcp: 'TCP',
  mongo: 'TCP',
  mysql: 'TCP',
  redis: 'TCP',
};

/** Protocols of applications that speak HTTP/2 (Istio). */
const overHttp2: ReadonlySet<string> = new Set(['http2', 'kubernetes.io/h2c', 'grpc', 'grpc-web']);

const overTls: ReadonlySet<string> = new Set(['https', 'kubernetes.io/wss', 'tls']);

/** Protocols that are TCP to a proxy and lose nothing by it. */
const opaque: ReadonlySet<string> = new Set([
  'https',
  'kubernetes.io/wss',
  'tls',
  'tcp',
  'mongo',
  'mysql',
  'redis',
]);

/** SMTP, DNS, MySQL and MongoDB: nobody waits there for a client that may be waiting itself (Istio). */
const neverLookedInto: ReadonlySet<number> = new Set([25, 53, 3306, 27_017]);

export function portProtocol({
  name,
  appProtocol,
  port,
}: Pick<ServicePort, 'name' | 'appProtocol' | 'port'>): PortProtocol {
  const written = (appProtocol ?? prefixOf(name))?.toLowerCase() ?? '';
  const carriedAs = Object.hasOwn(carried, written) ? carried[written] : undefined;
  if (carriedAs === undefined) {
    const protocol = neverLookedInto.has(port) ? 'TCP' : 'AUTO';
    return { protocol, carriedAs: protocol, http2: false, tls: false };
  }
  const protocol = opaque.has(written) ? 'TCP' : protocolName(written);
  return { protocol, carriedAs, http2: overHttp2.has(written), tls: overTls.has(written) };
}

function prefixOf(name: string | undefined): string | undefined {
  if (name === 'grpc-web' || name?.startsWith('grpc-web-')) return 'grpc-web';
  return name?.split('-', 1)[0];
}

function protocolName(written: string): string {
  if (written === 'kubernetes.io/ws') return 'HTTP';
  return written === 'kubernetes.io/h2c' ? 'HTTP2' : written.toUpperCase();
}
