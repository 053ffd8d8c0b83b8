/** Kinds that people bring along and this build does not read, and what is lost without each. */
import type { Loss } from './decode/decoder.ts';

interface UnsupportedKind {
  readonly group: string;
  loss(spec: Readonly<Record<string, unknown>>): Loss;
}

const adds = (): Loss => 'adds';
const closes = (): Loss => 'closes';

const istioSecurity = 'security.istio.io';
const istioExtensions = 'extensions.istio.io';
const gatewayApi = 'gateway.networking.k8s.io';

/** By kind; the same kind may be in several groups. */
const unsupportedKinds: readonly (UnsupportedKind & { readonly kind: string })[] = [
  { kind: 'AuthorizationPolicy', group: istioSecurity, loss: closes },
  { kind: 'RequestAuthentication', group: istioSecurity, loss: closes },
  { kind: 'Telemetry', group: 'telemetry.istio.io', loss: adds },
  // A plugin or an extension may be what authenticates.
  { kind: 'WasmPlugin', group: istioExtensions, loss: closes },
  { kind: 'TrafficExtension', group: istioExtensions, loss: closes },
  { kind: 'NetworkPolicy', group: 'networking.k8s.io', loss: closes },
  { kind: 'BackendTLSPolicy', group: gatewayApi, loss: closes },
  { kind: 'Gateway', group: gatewayApi, loss: adds },
];

/** @param group without version. Kinds nobody listed have no say in the mesh. */
export function lossWithout(group: string, kind: string, spec: unknown): Loss {
  const fields = typeof spec === 'object' && spec !== null ? (spec as Record<string, unknown>) : {};
  const known = unsupportedKinds.find((one) => one.kind === kind && one.group === group);
  return known?.loss(fields) ?? 'adds';
}

/** For suggestions. */
export const unsupportedKindNames: readonly string[] = [
  ...new Set([...unsupportedKinds.map(({ kind }) => kind), 'DaemonSet', 'CronJob']),
];
