/** Which traffic policy holds for a port of a host, or for a subset of it (Istio's order of precedence). */
import type { ConnectionPoolPolicy } from '#model/connection-pool.ts';
import type { DestinationRule, Subset } from '#model/destination-rule.ts';
import type { MeshSettings } from '#model/mesh-settings.ts';
import type { PortProtocol } from '#model/port-protocol.ts';
import type { HostTrafficPolicy, TrafficPolicy } from '#model/traffic-policy.ts';

/**
 * A subset's settings replace those of the rule one by one. What is said for a port replaces all that may be said for one,
 * of the subset as of the rule.
 */
export function policyFor(
  rule: DestinationRule | undefined,
  subset: Subset | undefined,
  port: number,
): HostTrafficPolicy {
  return merged(merged({}, rule?.spec.trafficPolicy, port), subset?.trafficPolicy, port);
}

export type MeshDefaults = Pick<
  MeshSettings,
  'localityLbSetting' | 'tcpKeepalive' | 'upgradesToHttp2' | 'connectionPool' | 'outlierDetection'
>;

/**
 * What holds for the mesh, where the rule says nothing. Only ports that are said to be of HTTP are spoken to in HTTP/2: what
 * is found to be HTTP goes on as it came (Istio).
 */
export function withMeshDefaults(
  policy: HostTrafficPolicy,
  { carriedAs }: Pick<PortProtocol, 'carriedAs'>,
  { localityLbSetting, tcpKeepalive, upgradesToHttp2, ...ofMesh }: MeshDefaults,
): HostTrafficPolicy {
  const { connectionPool = ofMesh.connectionPool, outlierDetection = ofMesh.outlierDetection } = policy;
  const { h2UpgradePolicy = 'DEFAULT' } = connectionPool?.http ?? {};
  const upgrades = upgradesToHttp2 && h2UpgradePolicy === 'DEFAULT' && carriedAs === 'HTTP';
  const pool = keptAlive(connectionPool, tcpKeepalive);
  const upgraded = upgrades
    ? { ...pool, http: { ...pool?.http, h2UpgradePolicy: 'UPGRADE' as const } }
    : pool;
  return {
    ...policy,
    ...(localityLbSetting !== undefined && { loadBalancer: { localityLbSetting, ...policy.loadBalancer } }),
    ...(upgraded !== undefined && { connectionPool: upgraded }),
    ...(outlierDetection !== undefined && { outlierDetection }),
  };
}

/** Each of its fields may be said by either. */
export function keptAlive(
  pool: ConnectionPoolPolicy | undefined,
  tcpKeepalive: MeshSettings['tcpKeepalive'],
): ConnectionPoolPolicy | undefined {
  if (tcpKeepalive === undefined) return pool;
  const own = pool?.tcp?.tcpKeepalive;
  return { ...pool, tcp: { ...pool?.tcp, tcpKeepalive: { ...tcpKeepalive, ...own } } };
}

function merged(base: HostTrafficPolicy, policy: TrafficPolicy | undefined, port: number): HostTrafficPolicy {
  if (policy === undefined) return base;
  const { portLevelSettings = [], ...general } = policy;
  const together = { ...base, ...general };
  const found = portLevelSettings.find((settings) => settings.port.number === port);
  if (found === undefined) return together;
  const { port: _, ...settings } = found;
  const { loadBalancer: _l, connectionPool: _c, outlierDetection: _o, tls: _t, ...ofHost } = together;
  return { ...ofHost, ...settings };
}
