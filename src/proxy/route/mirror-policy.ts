/** `request_mirror_policies`: copies of requests for other clusters (Envoy, "Shadowing"). */
import type { HeaderList } from '#http/header-list.ts';
import type { AccessRecord } from '#observe/access-record.ts';
import type { RouteAction_RequestMirrorPolicy as Policy } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { byteString, type Findings } from '../findings.ts';
import type { RuntimeValues } from '../runtime/values.ts';
import { clusterNameOf } from './destinations.ts';
import { compileHeaderChange } from './header-change.ts';
import type { HeaderSource } from './header-match.ts';

export interface MirrorPolicy {
  /** Where it is known beforehand; '' where a header tells. */
  readonly cluster: string;
  clusterOf(source: HeaderSource): string;
  /** By the random value of the request. */
  takes(randomValue: number): boolean;
  /** The authority of the copy. */
  hostOf(authority: string): string;
  /** Changes the headers of the copy. */
  change(headers: HeaderList, record: AccessRecord): void;
}

export const noMirrors: readonly MirrorPolicy[] = [];

/** @param outer of the levels around, where this one has none */
export function compileMirrors(
  policies: readonly Policy[],
  outer: readonly MirrorPolicy[],
  path: string,
  runtime: RuntimeValues,
  findings: Findings,
): readonly MirrorPolicy[] {
  if (policies.length === 0) return outer;
  return policies.map((policy, i) =>
    compileMirror(policy, `${path}request_mirror_policies[${i}]`, runtime, findings),
  );
}

function compileMirror(
  policy: Policy,
  path: string,
  runtime: RuntimeValues,
  findings: Findings,
): MirrorPolicy {
  const { cluster, runtimeFraction: fraction } = policy;
  const clusterHeader = policy.clusterHeader.toLowerCase();
  if (cluster === '' && clusterHeader === '') findings.error(path, 'has neither cluster nor cluster_header');
  if (cluster !== '' && clusterHeader !== '') findings.error(path, 'has both cluster and cluster_header');
  if (policy.traceSampled === true)
    findings.warn(`${path}.trace_sampled`, 'has no effect: there are no traces');
  const share = fraction?.defaultValue;
  if (fraction !== undefined && share === undefined)
    findings.error(`${path}.runtime_fraction.default_value`, 'is missing');
  const changes = policy.requestHeadersMutations.map((mutation, i) =>
    compileHeaderChange(mutation, `${path}.request_headers_mutations[${i}]`, findings),
  );
  const literal = byteString(policy.hostRewriteLiteral);
  const asIs = policy.disableShadowHostSuffixAppend;
  return {
    cluster,
    clusterOf: (source) => clusterNameOf({ cluster, clusterHeader }, source),
    takes: (randomValue) =>
      share === undefined || runtime.isEnabled(fraction!.runtimeKey, share, randomValue),
    hostOf(authority) {
      if (literal !== '') return literal;
      return asIs ? authority : withSuffix(authority);
    },
    change(headers, record) {
      for (const change of changes) change(headers, record);
    },
  };
}

const SUFFIX = '-shadow';

/** Before the port, where there is one. */
function withSuffix(host: string): string {
  const colon = host.lastIndexOf(':');
  if (colon === -1 || host.includes(']', colon)) return host + SUFFIX;
  return host.slice(0, colon) + SUFFIX + host.slice(colon);
}
