/** Istio `VirtualService`: which requests and connections for a host go where. */
import { parseIp } from '#core/ip-address.ts';
import { list } from './decode/collection.ts';
import type { Decoder, Path, Report } from './decode/decoder.ts';
import { defaulted, meaningless, object, required } from './decode/object.ts';
import { nonEmptyText, oneOf } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';
import { type ExportTo, exportTo } from './export-to.ts';
import { coversHost, hostName } from './host-name.ts';
import { type HttpRoute, httpRoute } from './http-route.ts';
import type { KindDefinition } from './kind.ts';
import type { ResourceBase } from './metadata.ts';
import { stickyWeights, stickyWeightsAnnotation } from './sticky-weights.ts';
import { type TcpRoute, tcpRoute } from './tcp-route.ts';
import { type TlsRoute, tlsRoute } from './tls-route.ts';

/** Whether faults hit each request once, as in Istio, or each of its tries, so that retries and time limits apply. */
export const faultScopeAnnotation = 'heddle.dev/fault-scope';
const faultScopes = ['request', 'attempt'] as const;

export interface VirtualServiceSpec {
  /** Empty: others delegate to it. */
  readonly hosts: readonly string[];
  /** `mesh` stands for all sidecars; other names for Gateways, `namespace/name` or in the own namespace. */
  readonly gateways: readonly string[];
  /** The first that matches wins. */
  readonly http: readonly HttpRoute[];
  /** For ports that carry TLS; the first that matches wins. */
  readonly tls: readonly TlsRoute[];
  /** For ports that carry neither HTTP nor TLS; the first that matches wins. */
  readonly tcp: readonly TcpRoute[];
  readonly exportTo?: ExportTo;
}

export type VirtualService = ResourceBase<'VirtualService', VirtualServiceSpec>;

/** Others delegate to it, and it takes no requests of its own. */
export function isDelegate({ spec }: VirtualService): boolean {
  return spec.hosts.length === 0;
}

/** Gateways that somebody in `namespace` names, as `namespace/name` or `mesh`. */
export function gatewayNames(names: readonly string[], namespace: string): readonly string[] {
  return names.map((name) => (name === 'mesh' || name.includes('/') ? name : `${namespace}/${name}`));
}

/** A name, or an address of IPv6, which looks like none. */
const servedHost: Decoder<string> = refined(nonEmptyText, (decoded, path, report) =>
  decoded.includes(':') && parseIp(decoded) !== undefined ? decoded : hostName(decoded, path, report),
);

const written = object({
  hosts: defaulted(
    list(servedHost),
    [],
    'That requests and connections are made to: services, hosts of ServiceEntries or any name; `*.example.com` stands for all below, and the most specific name wins. Without any, others delegate to it.',
  ),
  gateways: defaulted(
    list(nonEmptyText),
    [],
    'Where the routes hold: `mesh` for all sidecars, which is so without any; names of Gateways, `NAMESPACE/NAME` or of the own namespace.',
  ),
  http: defaulted(list(httpRoute), [], 'Of requests; the first that matches wins.'),
  tcp: defaulted(
    list(tcpRoute),
    [],
    'Of connections to ports that carry neither HTTP nor TLS, and of what turns out to be no HTTP; the first that matches wins.',
  ),
  tls: defaulted(
    list(tlsRoute),
    [],
    'Of connections to ports named `tls` or `https`, which stay encrypted; the first that matches wins. Who gives no name that a route has is none of the host.',
  ),
  exportTo,
});

const spec: Decoder<VirtualServiceSpec> = refined(written, (decoded, path, report) => {
  const isOfOthers = decoded.hosts.length === 0;
  if (isOfOthers) checkDelegate(decoded, path, report);
  else checkHosts(decoded, path, report);
  if (decoded.http.length + decoded.tcp.length + decoded.tls.length === 0)
    report.error(path, 'has no routes', 'write http, tls or tcp');
  return { ...decoded, gateways: decoded.gateways.length === 0 && !isOfOthers ? ['mesh'] : decoded.gateways };
});

/** Istio's conditions on a VirtualService without hosts. */
function checkDelegate({ gateways, http, tls, tcp }: VirtualServiceSpec, path: Path, report: Report): void {
  for (const [name, { length }] of Object.entries({ gateways, tls, tcp })) {
    if (length > 0)
      report.error([...path, name], 'goes with hosts only: without hosts this is a delegate', 'write hosts');
  }
  for (const [index, { delegate }] of http.entries()) {
    if (delegate === undefined) continue;
    const at = [...path, 'http', index, 'delegate'];
    report.error(at, 'without hosts this is a delegate, and a delegate delegates to nobody');
  }
}

function checkHosts({ hosts, gateways, tls }: VirtualServiceSpec, path: Path, report: Report): void {
  const everything = hosts.indexOf('*');
  if (everything >= 0 && (gateways.length === 0 || gateways.includes('mesh'))) {
    const message = 'the host * would take every call in the mesh';
    report.error([...path, 'hosts', everything], message, 'name gateways');
  }
  const lower = hosts.map((host) => host.toLowerCase());
  for (const [index, host] of lower.entries()) {
    const before = lower.slice(0, index).find((other) => coversHost(other, host) || coversHost(host, other));
    if (before !== undefined)
      report.error(
        [...path, 'hosts', index],
        `"${host}" and "${before}" are the same hosts, or one of them is`,
      );
  }
  for (const [r, { match }] of tls.entries()) {
    for (const [m, { sniHosts }] of match.entries()) {
      for (const [s, sni] of sniHosts.entries()) {
        if (lower.some((host) => coversHost(host, sni.toLowerCase()))) continue;
        const at = [...path, 'tls', r, 'match', m, 'sniHosts', s];
        report.error(at, `"${sni}" is none of the hosts`, `they are ${hosts.join(', ')}`);
      }
    }
  }
}

export const virtualServiceKind: KindDefinition<VirtualService> = {
  kind: 'VirtualService',
  group: 'networking.istio.io',
  versions: ['v1', 'v1beta1', 'v1alpha3'],
  scope: 'namespace',
  about: 'Which requests and connections for a host go where ([traffic.md](../traffic.md)).',
  fields: { spec: required(spec), status: meaningless() },
  annotations: { [faultScopeAnnotation]: oneOf(faultScopes), [stickyWeightsAnnotation]: stickyWeights },
};
