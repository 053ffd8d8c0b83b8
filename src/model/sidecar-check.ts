/** What does not fit together in a Sidecar (Istio's validation). */
import { parseIp } from '#core/ip-address.ts';
import type { Path, Report } from './decode/decoder.ts';
import type { ServerTls } from './gateway-tls.ts';
import type { EgressListener, ImportedHost, IngressListener, SidecarSpec } from './sidecar.ts';

/** `unix:///run/app.sock`; of an abstract socket `unix://@name`. */
export function isUnixBind(written: string): boolean {
  return /^unix:\/\/[/@]./.test(written);
}

export function checkSidecar(spec: SidecarSpec, path: Path, report: Report): void {
  const { egress = [], ingress = [], outboundTrafficPolicy, inboundConnectionPool } = spec;
  const says = outboundTrafficPolicy ?? inboundConnectionPool;
  if (egress.length === 0 && ingress.length === 0 && says === undefined)
    report.error(path, 'says nothing', 'write egress, ingress or outboundTrafficPolicy, or delete it');
  checkIngress(ingress, [...path, 'ingress'], report);
  checkEgress(egress, [...path, 'egress'], report);
}

function checkIngress(ingress: readonly IngressListener[], path: Path, report: Report): void {
  const seen = new Set<number>();
  for (const [at, { port, bind, tls }] of ingress.entries()) {
    if (tls !== undefined) checkTls(tls, port.protocol, [...path, at, 'tls'], report);
    if (bind !== undefined && parseIp(bind) === undefined)
      report.error([...path, at, 'bind'], `${JSON.stringify(bind)} is no IP address`);
    if (seen.has(port.number))
      report.error([...path, at, 'port', 'number'], `another listener has port ${port.number}`);
    seen.add(port.number);
  }
}

const notOfSidecars = [
  'subjectAltNames',
  'credentialName',
  'credentialNames',
  'caCertCredentialName',
  'tlsCertificates',
] as const;

function checkTls(tls: ServerTls, protocol = '', path: Path, report: Report): void {
  for (const name of notOfSidecars)
    if (tls[name].length > 0)
      report.error(
        [...path, name],
        'is for Gateways: a sidecar takes files',
        'write serverCertificate, privateKey and caCertificates',
      );
  if (tls.httpsRedirect) report.error([...path, 'httpsRedirect'], 'is for Gateways', 'leave it out');
  if (tls.mode === 'ISTIO_MUTUAL' || tls.mode === 'AUTO_PASSTHROUGH')
    report.error([...path, 'mode'], `${tls.mode} is for Gateways`, 'write SIMPLE, MUTUAL or OPTIONAL_MUTUAL');
  if (!/^(?:https|tls)$/i.test(protocol))
    report.error(path, 'is for ports of HTTPS and TLS', 'write protocol: HTTPS');
}

function checkEgress(egress: readonly EgressListener[], path: Path, report: Report): void {
  const seen = new Set<string>();
  for (const [at, listener] of egress.entries()) {
    const here = [...path, at];
    if (listener.port === undefined) checkRest(at, egress, here, report);
    else checkPlace(listener, here, report);
    const place = listener.port?.number || listener.bind;
    if (listener.port !== undefined && seen.has(String(place)))
      report.error([...here, 'port'], `another listener has ${place}`);
    seen.add(String(place));
    checkHosts(listener.hosts, [...here, 'hosts'], report);
  }
}

/** The listener without a port takes what the others leave. */
function checkRest(at: number, egress: readonly EgressListener[], path: Path, report: Report): void {
  const { bind, captureMode } = egress[at]!;
  if (at < egress.length - 1)
    report.error(
      path,
      'without a port it takes all other ports, and nothing is left for those behind it',
      'put it last',
    );
  if (bind !== undefined && parseIp(bind) === undefined)
    report.error([...path, 'bind'], `${JSON.stringify(bind)} is no IP address`);
  if (captureMode === 'NONE' && bind === undefined)
    report.warning([...path, 'captureMode'], 'has no effect without a port or a bind');
}

function checkPlace({ port, bind, captureMode }: EgressListener, path: Path, report: Report): void {
  const isSocket = bind !== undefined && isUnixBind(bind);
  if (port?.number === 0) {
    if (!isSocket)
      report.error(
        [...path, 'bind'],
        'port 0 stands for a socket of Unix',
        'write bind: unix:///PATH, or a port',
      );
    if (captureMode === 'IPTABLES')
      report.error(
        [...path, 'captureMode'],
        'the kernel captures nothing for a socket of Unix',
        'write NONE',
      );
  } else if (bind !== undefined && parseIp(bind) === undefined) {
    const fix = isSocket ? 'write port number 0 for a socket of Unix' : undefined;
    report.error([...path, 'bind'], `${JSON.stringify(bind)} is no IP address`, fix);
  }
}

function checkHosts(hosts: readonly ImportedHost[], path: Path, report: Report): void {
  const whole = new Set(hosts.filter(({ host }) => host === '*').map(({ namespace }) => namespace));
  for (const [at, { namespace, host }] of hosts.entries()) {
    const written = `${namespace}/${host}`;
    if (hosts.findIndex((one) => `${one.namespace}/${one.host}` === written) < at)
      report.error([...path, at], `"${written}" is there twice`);
    else if (written !== '*/*' && whole.has('*'))
      report.error([...path, at], '"*/*" is everything already', 'leave one of the two out');
    else if (host !== '*' && whole.has(namespace))
      report.error([...path, at], `"${namespace}/*" is all of it already`, 'leave one of the two out');
  }
}
