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
import { type CaseNode, namedNode } from './golden-node.ts';

export interface GoldenCase {
  /** As the proxy would send it; `podName.namespace` in the id names one of the pods below. */
  readonly node: CaseNode;
  /**
   * What of the snapshot is compared: `KIND NAME`, with `*` for any text. With ` > PATH` the value there alone, with
   * ` > PATH > PATH ...` these fields of each value there; lists are gone through unless a number follows.
   */
  readonly show: readonly string[];
  /** Documents. Each Deployment has one ready instance, `NAME-0`, at 127.9.1.1 and up. */
  readonly input: string;
  /** The Deployment of a node that the case only names: it comes first. */
  readonly workload?: string;
  readonly problems: readonly string[];
  readonly expected: Readonly<Record<string, JsonValue>>;
}

/** @throws RangeError if its node is a name that is not in `golden-node.ts` */
export function readCase(text: string, file: string): GoldenCase {
  const [document] = parseYaml(text, file).documents;
  const written = document?.value as Omit<GoldenCase, 'node'> & { readonly node: string | CaseNode };
  const { node } = written;
  return typeof node === 'string' ? { ...written, ...namedNode(node) } : { ...written, node };
}

/** The state of the mesh that a case describes. */
export function indexOf(golden: GoldenCase): {
  readonly index: ResourceIndex;
  readonly problems: readonly Problem[];
} {
  const written = loadDocuments(filesOf(golden), { lookInto: checkPatchValues });
  const instances = loadDocuments(podsOf(golden).map((text) => ({ file: 'pods', text })));
  return {
    index: indexResources([...written.resources, ...instances.resources]),
    problems: [...written.problems, ...instances.problems],
  };
}

/** Documents of the instances that nobody has written. */
export function podsOf(golden: GoldenCase): string[] {
  const { resources } = loadDocuments(filesOf(golden));
  const written = new Set(
    resources.filter(({ kind }) => kind === 'Pod').map(({ metadata }) => metadata.name),
  );
  const deployments = resources.filter((resource) => resource.kind === 'Deployment');
  return deployments.flatMap((deployment, number) =>
    written.has(`${deployment.metadata.name}-0`)
      ? []
      : [JSON.stringify(podOf(deployment, `127.9.1.${number + 1}`))],
  );
}

function filesOf({ input, workload }: GoldenCase): { readonly file: string; readonly text: string }[] {
  const own = workload === undefined ? [] : [{ file: 'node', text: workload }];
  return [...own, { file: 'input', text: input }];
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

/** What the case shows, by `KIND NAME` or by `KIND NAME > PATH`. */
export function shown(snapshot: ProxySnapshot, show: readonly string[]): Record<string, JsonValue> {
  const views = show.map((text) => {
    const [pattern = '', path, fields] = text.split(' > ');
    return { pattern: patternOf(pattern), path, fields: fields?.split(' ') };
  });
  return Object.fromEntries(
    [...everything(snapshot)].flatMap(([name, value]) =>
      views
        .filter(({ pattern }) => pattern.test(name))
        .map(({ path, fields }) =>
          path === undefined ? [name, value] : [`${name} > ${path}`, partOf(value, path, fields)],
        ),
    ),
  );
}

function patternOf(text: string): RegExp {
  const parts = text.split('*').map((part) => RegExp.escape(part));
  return new RegExp(`^${parts.join('.*')}$`);
}

function partOf(whole: JsonValue, path: string, fields: readonly string[] | undefined): JsonValue {
  const part = (path === '.' ? whole : valueAt(whole, path.split('.'))) ?? null;
  if (fields === undefined) return part;
  const chosen = (one: JsonValue): JsonValue =>
    Object.fromEntries(
      fields.flatMap((field) => {
        const value = valueAt(one, field.split('.'));
        return value === undefined ? [] : [[field, value]];
      }),
    );
  return Array.isArray(part) ? part.map(chosen) : chosen(part);
}

function valueAt(value: JsonValue | undefined, path: readonly string[]): JsonValue | undefined {
  const [key, ...rest] = path;
  if (key === undefined || value === undefined) return value;
  if (Array.isArray(value)) {
    if (/^\d+$/.test(key)) return valueAt(value[Number(key)], rest);
    const found = value.map((one) => valueAt(one, path)).filter((one) => one !== undefined);
    return found.length === 0 ? undefined : found.flatMap((one) => one);
  }
  if (typeof value !== 'object' || value === null) return undefined;
  return valueAt(value[key], rest);
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
