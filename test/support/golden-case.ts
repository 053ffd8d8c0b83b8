/**
 * Golden cases: documents and a node in, messages out, in one file. For tests only: `golden.test.ts`
 * compares them, and a test with a real Envoy has it judge the same cases.
 */
import { create, type DescMessage, type JsonValue, type MessageShape, toJson } from '@bufbuild/protobuf';
import { indexResources, type ResourceIndex } from '#control/store/resource-index.ts';
import { checkPatchValues } from '#control/translate/envoy-filter/value.ts';
import { proxyNode } from '#control/translate/node.ts';
import { buildSnapshot, type ProxySnapshot } from '#control/translate/snapshot.ts';
import { formatProblem, type Problem } from '#core/problem.ts';
import { parseYaml } from '#core/yaml.ts';
import type { Deployment } from '#model/deployment.ts';
import { loadDocuments } from '#model/load.ts';
import { ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { NodeSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { TypedExtensionConfigSchema } from '#xds/gen/envoy/config/core/v3/extension_pb.js';
import { ClusterLoadAssignmentSchema } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { SecretSchema } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { registry } from '#xds/registry.ts';

export interface GoldenCase {
  /** As the proxy would send it; `podName.namespace` in the id names one of the pods below. */
  readonly node: {
    readonly id: string;
    readonly userAgentName: string;
    readonly metadata: Record<string, JsonValue>;
  };
  /** What of the snapshot is compared: `KIND NAME`, with `*` for any text. */
  readonly show: readonly string[];
  /** Documents. Each Deployment has one ready instance, `NAME-0`, at 127.9.1.1 and up. */
  readonly input: string;
  readonly problems: readonly string[];
  readonly expected: Readonly<Record<string, JsonValue>>;
}

export function readCase(text: string, file: string): GoldenCase {
  const [document] = parseYaml(text, file).documents;
  return document?.value as GoldenCase;
}

/** The state of the mesh that a case describes. */
export function indexOf(golden: GoldenCase): {
  readonly index: ResourceIndex;
  readonly problems: readonly Problem[];
} {
  const written = loadDocuments([{ file: 'input', text: golden.input }], { lookInto: checkPatchValues });
  const instances = loadDocuments(podsOf(golden).map((text) => ({ file: 'pods', text })));
  return {
    index: indexResources([...written.resources, ...instances.resources]),
    problems: [...written.problems, ...instances.problems],
  };
}

/** Documents of the instances. */
export function podsOf({ input }: GoldenCase): string[] {
  const { resources } = loadDocuments([{ file: 'input', text: input }]);
  const deployments = resources.filter((resource) => resource.kind === 'Deployment');
  return deployments.map((deployment, number) => JSON.stringify(podOf(deployment, `127.9.1.${number + 1}`)));
}

export function snapshotOfCase(golden: GoldenCase): ProxySnapshot {
  const node = proxyNode(create(NodeSchema, { ...golden.node }));
  if (!node.ok) throw new Error(node.problems.map(formatProblem).join('\n'));
  const { index, problems } = indexOf(golden);
  const snapshot = buildSnapshot(index, node.value);
  const { problems: ofPatches = [], uses = [] } = snapshot.patches ?? {};
  const unused = uses.filter(({ applied }) => !applied).map(({ ifNowhere }) => ifNowhere);
  return { ...snapshot, problems: [...problems, ...snapshot.problems, ...ofPatches, ...unused] };
}

/** What the case shows, by `KIND NAME`. */
export function shown(snapshot: ProxySnapshot, show: readonly string[]): Record<string, JsonValue> {
  const patterns = show.map(
    (pattern) =>
      new RegExp(
        `^${pattern
          .split('*')
          .map((part) => RegExp.escape(part))
          .join('.*')}$`,
      ),
  );
  return Object.fromEntries(
    [...everything(snapshot)].filter(([name]) => patterns.some((pattern) => pattern.test(name))),
  );
}

function* everything({
  clusters,
  endpoints,
  listeners,
  routes,
  secrets = [],
  extensions = [],
}: ProxySnapshot): Generator<[string, JsonValue]> {
  for (const listener of listeners) yield [`listener ${listener.name}`, json(ListenerSchema, listener)];
  for (const route of routes) yield [`route ${route.name}`, json(RouteConfigurationSchema, route)];
  for (const cluster of clusters) yield [`cluster ${cluster.name}`, json(ClusterSchema, cluster)];
  for (const extension of extensions)
    yield [`extension ${extension.name}`, json(TypedExtensionConfigSchema, extension)];
  for (const endpoint of endpoints)
    yield [`endpoint ${endpoint.clusterName}`, json(ClusterLoadAssignmentSchema, endpoint)];
  for (const secret of secrets) yield [`secret ${secret.name}`, json(SecretSchema, secret)];
}

export function json<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): JsonValue {
  return toJson(schema, message, { registry });
}

function podOf({ metadata, spec }: Deployment, address: string): object {
  const { labels, annotations } = spec.template.metadata;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${metadata.name}-0`,
      namespace: metadata.namespace,
      labels: { 'security.istio.io/tlsMode': 'istio', ...labels },
      annotations: {
        'heddle.dev/application-address': address.replace('127.9.1', '127.9.129'),
        ...annotations,
      },
    },
    spec: {
      serviceAccountName: spec.template.spec.serviceAccountName,
      containers: spec.template.spec.containers.map(({ name, image, ports }) => ({ name, image, ports })),
    },
    status: { podIP: address, conditions: [{ type: 'Ready', status: 'True' }] },
  };
}
