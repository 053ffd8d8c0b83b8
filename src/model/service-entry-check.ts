/** What does not fit together in a ServiceEntry, by Istio's rules of validation. */
import { parseIp } from '#core/ip-address.ts';
import type { Path, Report } from './decode/decoder.ts';
import { portProtocol } from './port-protocol.ts';
import type { ServiceEntrySpec } from './service-entry.ts';
import { UNIX, type WorkloadEntrySpec } from './workload-entry.ts';

export function checkServiceEntry(spec: ServiceEntrySpec, path: Path, report: Report): void {
  checkHosts(spec, path, report);
  checkPorts(spec, path, report);
  checkSelector(spec, path, report);
  checkEndpoints(spec, path, report);
  checkDynamic(spec, path, report);
  for (const [index, endpoint] of spec.endpoints.entries())
    checkEndpoint(endpoint, spec, [...path, 'endpoints', index], report);
}

function looksUp({ resolution }: ServiceEntrySpec): boolean {
  return resolution === 'DNS' || resolution === 'DNS_ROUND_ROBIN';
}

function checkHosts(spec: ServiceEntrySpec, path: Path, report: Report): void {
  const { hosts, addresses, resolution, endpoints, workloadSelector } = spec;
  const seen = new Set<string>();
  for (const [index, host] of hosts.entries()) {
    const here = [...path, 'hosts', index];
    const lower = host.toLowerCase();
    if (seen.has(lower)) report.error(here, `the host "${host}" is there twice`);
    seen.add(lower);
    if (parseIp(host) !== undefined) {
      report.error(here, `${host} is an address and no name`, 'write it under addresses, and a name here');
    } else if (looksUp(spec) && host.startsWith('*') && endpoints.length === 0) {
      const message = `a wildcard cannot be looked up: resolution ${resolution} needs endpoints then`;
      report.error(here, message, 'name the endpoints, or write resolution: NONE');
    }
  }
  for (const [index, address] of addresses.entries()) {
    if (!address.includes('/') || resolution === 'STATIC' || resolution === 'NONE') continue;
    const message = `a range of addresses goes with resolution NONE or STATIC, not ${resolution}`;
    report.error([...path, 'addresses', index], message, 'write single addresses, or none');
  }
  if (resolution === 'STATIC' && endpoints.length === 0 && workloadSelector === undefined) {
    report.error([...path, 'endpoints'], 'resolution STATIC needs endpoints or a workloadSelector');
  }
}

function checkPorts({ ports }: ServiceEntrySpec, path: Path, report: Report): void {
  const seen = new Set<string>();
  for (const [index, { number, name }] of ports.entries()) {
    for (const [field, key] of [
      ['number', `port ${number}`],
      ['name', `name "${name}"`],
    ] as const) {
      if (seen.has(key)) report.error([...path, 'ports', index, field], `the ${key} is there twice`);
      seen.add(key);
    }
  }
}

function checkSelector(spec: ServiceEntrySpec, path: Path, report: Report): void {
  const { workloadSelector: selector, endpoints, resolution } = spec;
  if (selector === undefined) return;
  const here = [...path, 'workloadSelector'];
  if (endpoints.length > 0) report.error(here, 'only one of endpoints and workloadSelector may be set');
  if (looksUp(spec)) {
    const message = `selected workloads have addresses: resolution ${resolution} does not go with them`;
    report.error(here, message, 'write resolution: STATIC');
  } else if (Object.keys(selector.labels).length === 0) {
    if (resolution === 'STATIC')
      report.error(
        here,
        'without labels every workload of the namespace would be an endpoint',
        'name labels',
      );
  } else if (resolution !== 'STATIC') {
    const message = `has no effect with resolution ${resolution}: the application says where it goes`;
    report.error(here, message, 'write resolution: STATIC, or leave it out');
  }
}

function checkEndpoints(
  { resolution, endpoints, ports }: ServiceEntrySpec,
  path: Path,
  report: Report,
): void {
  const here = [...path, 'endpoints'];
  if ((resolution === 'NONE' || resolution === 'DYNAMIC_DNS') && endpoints.length > 0) {
    const fix = 'write resolution: STATIC for addresses, DNS for names';
    report.error(here, `no endpoints go with resolution ${resolution}`, fix);
  }
  if (resolution === 'DNS_ROUND_ROBIN' && endpoints.length > 1)
    report.error(
      [...here, 1],
      'resolution DNS_ROUND_ROBIN has one endpoint at most',
      'write resolution: DNS',
    );
  const hasSocket = endpoints.some(({ address }) => address?.startsWith(UNIX) === true);
  if (resolution === 'STATIC' && hasSocket && ports.length !== 1)
    report.error([...path, 'ports'], 'exactly one port is needed where an endpoint is a Unix socket');
}

/** The host is known from the request or the ClientHello, and from nothing else. */
function checkDynamic({ resolution, hosts, ports }: ServiceEntrySpec, path: Path, report: Report): void {
  if (resolution !== 'DYNAMIC_DNS') return;
  for (const [index, host] of hosts.entries()) {
    if (host.startsWith('*')) continue;
    const message = 'resolution DYNAMIC_DNS is for hosts with a wildcard';
    report.error([...path, 'hosts', index], message, 'write resolution: DNS for this one');
  }
  for (const [index, { protocol = '', number: port }] of ports.entries()) {
    const { carriedAs, tls } = portProtocol({ appProtocol: protocol, port });
    if (carriedAs === 'HTTP' || tls) continue;
    const message = 'nothing says the host of what is sent here: resolution DYNAMIC_DNS is for HTTP and TLS';
    report.error([...path, 'ports', index, 'protocol'], message, 'write HTTP, GRPC, HTTPS or TLS');
  }
}

function checkEndpoint(
  endpoint: WorkloadEntrySpec,
  spec: ServiceEntrySpec,
  path: Path,
  report: Report,
): void {
  const { address, ports } = endpoint;
  const here = [...path, 'address'];
  const { resolution } = spec;
  if (address === undefined) {
    const message = 'is needed: gateways between networks are not supported yet';
    report.error(here, message, 'name an address that the mesh reaches');
  } else if (resolution === 'STATIC' && !address.startsWith(UNIX) && parseIp(address) === undefined) {
    const message = `${JSON.stringify(address)} is a name; resolution STATIC takes IP addresses`;
    report.error(here, message, 'write resolution: DNS');
  } else if (looksUp(spec) && address.startsWith(UNIX)) {
    report.error(here, `a Unix socket goes with resolution STATIC, not ${resolution}`);
  }
  const known = spec.ports.map(({ name }) => name);
  for (const name of Object.keys(ports)) {
    if (known.includes(name)) continue;
    report.error([...path, 'ports', name], `the entry has no port of this name; it has ${known.join(', ')}`);
  }
}
