/** Which endpoints and priorities a retry avoids (Envoy, "Retry plugins"). */
import type { Any } from '@bufbuild/protobuf/wkt';
import type { RetryPolicy } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { OmitCanaryHostsPredicateSchema } from '#xds/gen/envoy/extensions/retry/host/omit_canary_hosts/v3/omit_canary_hosts_pb.js';
import { OmitHostMetadataConfigSchema } from '#xds/gen/envoy/extensions/retry/host/omit_host_metadata/v3/omit_host_metadata_config_pb.js';
import { PreviousHostsPredicateSchema } from '#xds/gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.js';
import { PreviousPrioritiesConfigSchema } from '#xds/gen/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config_pb.js';
import { type Findings, typeNameOf } from '../findings.ts';

/** Namespace of the metadata that balancing goes by. */
export const LB_METADATA = 'envoy.lb';

export interface RetryHostRules {
  /** Whether endpoints already tried are avoided. */
  readonly previous: boolean;
  /** Whether those with `canary: true` are. */
  readonly canary: boolean;
  /** Those with all values of one of these are: metadata in {@link LB_METADATA}. */
  readonly metadata: readonly Readonly<Record<string, unknown>>[];
}

/** Names that stand for a predicate without configuration. */
const builtIn: Readonly<Record<string, string>> = {
  'envoy.retry_host_predicates.previous_hosts': PreviousHostsPredicateSchema.typeName,
  'envoy.retry_host_predicates.omit_canary_hosts': OmitCanaryHostsPredicateSchema.typeName,
};

/** Undefined where none is avoided. */
export function compileHostPredicates(
  { retryHostPredicate }: RetryPolicy,
  path: string,
  findings: Findings,
): RetryHostRules | undefined {
  if (retryHostPredicate.length === 0) return undefined;
  let previous = false;
  let canary = false;
  const metadata: Readonly<Record<string, unknown>>[] = [];
  retryHostPredicate.forEach(({ name, configType }, i) => {
    const at = `${path}.retry_host_predicate[${i}]`;
    switch (typeOf(name, configType.value)) {
      case PreviousHostsPredicateSchema.typeName:
        previous = true;
        break;
      case OmitCanaryHostsPredicateSchema.typeName:
        canary = true;
        break;
      case OmitHostMetadataConfigSchema.typeName: {
        const config = findings.unpack(`${at}.typed_config`, configType.value, OmitHostMetadataConfigSchema);
        const values = config?.metadataMatch?.filterMetadata[LB_METADATA];
        // Without values no endpoint has them.
        if (values !== undefined && Object.keys(values).length > 0) metadata.push(values);
        break;
      }
      default:
        findings.error(
          at,
          `"${name}" is not supported: must be previous_hosts, omit_canary_hosts or omit_host_metadata`,
        );
    }
  });
  return { previous, canary, metadata };
}

/** After how many attempts their priorities are avoided; 0: never. */
export function compileRetryPriority(
  { retryPriority }: RetryPolicy,
  path: string,
  findings: Findings,
): number {
  if (retryPriority === undefined) return 0;
  const at = `${path}.retry_priority`;
  const { name, configType } = retryPriority;
  if (typeNameOf(configType.value) !== PreviousPrioritiesConfigSchema.typeName) {
    findings.error(at, `"${name}" is not supported: must be previous_priorities, with its typed_config`);
    return 0;
  }
  const config = findings.unpack(`${at}.typed_config`, configType.value, PreviousPrioritiesConfigSchema);
  if (config !== undefined && config.updateFrequency < 1)
    findings.error(`${at}.typed_config.update_frequency`, 'must be at least 1');
  return config?.updateFrequency ?? 0;
}

function typeOf(name: string, config: Any | undefined): string {
  return config === undefined ? (builtIn[name] ?? '') : typeNameOf(config);
}
