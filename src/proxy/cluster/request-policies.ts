/** What a cluster says of requests in the place of their routes (Envoy, `HttpProtocolOptions`). */
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import {
  type HttpProtocolOptions,
  HttpProtocolOptionsSchema,
} from '#xds/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import { unpackAny } from '#xds/registry.ts';
import type { Findings } from '../findings.ts';
import { compileRetryPolicy, type RetryRules } from '../route/retry-policy.ts';

export interface RequestPolicies {
  /** Takes the place of the whole policy of the route. */
  readonly retry: RetryRules | undefined;
}

const none: RequestPolicies = { retry: undefined };
const KEY = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

export function readRequestPolicies(cluster: Cluster, findings: Findings): RequestPolicies {
  const any = cluster.typedExtensionProtocolOptions[KEY];
  const unpacked = any === undefined ? undefined : unpackAny(any);
  // What cannot be read is told where the protocol is.
  if (unpacked?.ok !== true || unpacked.schema !== HttpProtocolOptionsSchema) return none;
  const { retryPolicy } = unpacked.message as HttpProtocolOptions;
  if (retryPolicy === undefined) return none;
  const path = `typed_extension_protocol_options[${KEY}].retry_policy`;
  return { retry: compileRetryPolicy(retryPolicy, path, findings) };
}
