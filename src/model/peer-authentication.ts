/** Istio `PeerAuthentication`: whether workloads accept plain text beside mutual TLS. */
import { mapOf } from './decode/collection.ts';
import type { Decoder } from './decode/decoder.ts';
import { defaulted, meaningless, object, optional } from './decode/object.ts';
import { oneOf } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';
import { type WorkloadSelector, workloadSelector } from './istio-selector.ts';
import type { KindDefinition } from './kind.ts';
import type { ResourceBase } from './metadata.ts';

/** `UNSET` inherits from the next wider scope. */
export type MutualTlsMode = 'UNSET' | 'DISABLE' | 'PERMISSIVE' | 'STRICT';

export interface MutualTls {
  readonly mode: MutualTlsMode;
}

export interface PeerAuthenticationSpec {
  /** Absent or empty: the whole namespace, or the whole mesh in the root namespace. */
  readonly selector?: WorkloadSelector;
  readonly mtls?: MutualTls;
  /** By port of the workload (not of its service). */
  readonly portLevelMtls: Readonly<Record<string, MutualTls>>;
}

export type PeerAuthentication = ResourceBase<'PeerAuthentication', PeerAuthenticationSpec>;

const mutualTls: Decoder<MutualTls> = object({
  mode: defaulted(
    oneOf(['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT']),
    'UNSET',
    '`STRICT`: mutual TLS alone is taken. `PERMISSIVE`: plain text too. `DISABLE`: plain text alone. `UNSET`: what the next wider ' +
      'scope says; where none says anything, `PERMISSIVE`.',
  ),
});

const portKey: Decoder<string> = (value, path, report) => {
  const port = Number(value);
  if (Number.isInteger(port) && port >= 1 && port <= 65535) return String(value);
  return report.error(path, `a port from 1 to 65535 is expected, not ${JSON.stringify(value)}`);
};

const portLevelMtls: Decoder<Readonly<Record<string, MutualTls>>> = refined(
  mapOf(mutualTls, portKey),
  (decoded, path, report) =>
    Object.keys(decoded).length > 0 ? decoded : report.error(path, 'must not be empty', 'leave it out'),
);

const spec: Decoder<PeerAuthenticationSpec> = object(
  {
    selector: optional(
      workloadSelector,
      'Whom it is for. Without it: the namespace, and in the root namespace (`istio-system`) the mesh.',
    ),
    mtls: optional(mutualTls, 'For all ports that `portLevelMtls` does not name.'),
    portLevelMtls: defaulted(
      portLevelMtls,
      {},
      'By port of the workload, not of its service. Needs a `selector` that names the workloads.',
    ),
  },
  ({ selector, portLevelMtls: ports }, path, report) => {
    if (Object.keys(ports).length === 0 || Object.keys(selector?.matchLabels ?? {}).length > 0) return;
    report.error([...path, 'portLevelMtls'], 'needs a selector that names the workloads');
  },
);

export const peerAuthenticationKind: KindDefinition<PeerAuthentication> = {
  kind: 'PeerAuthentication',
  group: 'security.istio.io',
  versions: ['v1', 'v1beta1'],
  scope: 'namespace',
  about: 'Whether workloads take plain text beside mutual TLS.',
  fields: { spec: defaulted(spec, { portLevelMtls: {} }), status: meaningless() },
  guards: true,
};
