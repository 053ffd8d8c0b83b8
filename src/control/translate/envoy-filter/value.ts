/** What the patches of an EnvoyFilter bring, as messages: decoded strictly against what is known of Envoy's protos. */
import type { DescMessage, Message } from '@bufbuild/protobuf';
import type { Problem } from '#core/problem.ts';
import type { Path, Report } from '#model/decode/decoder.ts';
import type { ApplyTo, ConfigPatch } from '#model/envoy-filter.ts';
import type { Resource } from '#model/kinds.ts';
import { messageFromDocument } from '#xds/document.ts';
import { ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { TypedExtensionConfigSchema } from '#xds/gen/envoy/config/core/v3/extension_pb.js';
import {
  FilterChainSchema,
  FilterSchema,
  ListenerFilterSchema,
} from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteSchema, VirtualHostSchema } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { RouteConfigurationSchema } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { HttpFilterSchema } from '#xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';

/** What proxies are told over the stream; the bootstrap is made before there is one. */
export const patchedSchemas: Readonly<Record<Exclude<ApplyTo, 'BOOTSTRAP'>, DescMessage>> = {
  LISTENER: ListenerSchema,
  FILTER_CHAIN: FilterChainSchema,
  NETWORK_FILTER: FilterSchema,
  HTTP_FILTER: HttpFilterSchema,
  LISTENER_FILTER: ListenerFilterSchema,
  ROUTE_CONFIGURATION: RouteConfigurationSchema,
  VIRTUAL_HOST: VirtualHostSchema,
  HTTP_ROUTE: RouteSchema,
  CLUSTER: ClusterSchema,
  EXTENSION_CONFIG: TypedExtensionConfigSchema,
};

interface Decoded {
  /** Undefined: there is none, or it is wrong. */
  readonly message: Message | undefined;
  /** With the path of each within the value. */
  readonly found: readonly { readonly problem: Problem; readonly path: Path }[];
}

const decodedPatches = new WeakMap<ConfigPatch, Decoded>();

/** Never changed: copy it before it goes anywhere. */
export function patchMessage(patch: ConfigPatch): Message | undefined {
  return decoded(patch).message;
}

function decoded(patch: ConfigPatch): Decoded {
  let known = decodedPatches.get(patch);
  if (known === undefined) {
    known = decode(patch);
    decodedPatches.set(patch, known);
  }
  return known;
}

function decode({ applyTo, patch: { value } }: ConfigPatch): Decoded {
  if (value === undefined || applyTo === 'BOOTSTRAP') return { message: undefined, found: [] };
  const paths: Path[] = [];
  const parsed = messageFromDocument(patchedSchemas[applyTo], {
    value,
    // Each problem asks once where it is.
    positionOf(path) {
      paths.push(path);
      return undefined;
    },
  });
  return {
    message: parsed.ok ? parsed.value : undefined,
    found: parsed.problems.map((problem, index) => ({ problem, path: paths[index] ?? [] })),
  };
}

const notKnown = / is not supported(?= in |$)/;

/** For the loader: what of an EnvoyFilter cannot be made of its values. Of other kinds nothing is said. */
export function checkPatchValues(resource: Resource, report: Report): void {
  if (resource.kind !== 'EnvoyFilter') return;
  for (const [index, patch] of resource.spec.configPatches.entries()) {
    for (const { problem, path } of decoded(patch).found) {
      const at = ['spec', 'configPatches', index, 'patch', 'value', ...path];
      if (problem.level === 'error' && problem.fix === undefined && notKnown.test(problem.message))
        report.unsupported(at, 'closes', problem.message.replace(notKnown, ''));
      else report.found(problem, at);
    }
  }
}
