/** What stands in front of a gateway (`gatewayTopology` of MeshConfig's `defaultConfig` and of the Pod's annotation). */
import type { Problem } from '#core/problem.ts';
import { Report } from '#model/decode/decoder.ts';
import { keyOf } from '#model/kinds.ts';
import type { Pod } from '#model/pod.ts';
import {
  annotatedOptions,
  type GatewayTopology,
  type ProxyOptions,
  proxyConfigAnnotation,
} from '#model/proxy-options.ts';
import { ProxyProtocolSchema } from '#xds/gen/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol_pb.js';
import type { ResourceIndex } from '../store/resource-index.ts';
import type { ListenerFilterInit } from './listener.ts';
import { pack } from './message.ts';

/** Each field of the Pod's wins. */
export function gatewayTopology(pod: Pod, { settings }: ResourceIndex, problems: Problem[]): GatewayTopology {
  return {
    ...settings.proxyOptions.gatewayTopology,
    ...annotated(pod, problems)?.gatewayTopology,
  };
}

function annotated(pod: Pod, problems: Problem[]): ProxyOptions | undefined {
  const written = pod.metadata.annotations[proxyConfigAnnotation];
  if (written === undefined) return undefined;
  const report = new Report({
    resource: keyOf(pod),
    positionOf: (path) => pod.origin.positionOf(path) ?? pod.origin.start,
    allowUnsupported: false,
  });
  const options = annotatedOptions(written, ['metadata', 'annotations', proxyConfigAnnotation], report);
  problems.push(...report.problems);
  return options;
}

/** The first bytes of every connection say who made it; who does not say it is not taken. */
export const proxyProtocolFilter: ListenerFilterInit = {
  name: 'envoy.filters.listener.proxy_protocol',
  configType: { case: 'typedConfig', value: pack(ProxyProtocolSchema, {}) },
};
