/** Who asks for configuration: what a proxy says about itself in its xDS node. */
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import type { Parsed, Problem } from '#core/problem.ts';
import type { Labels } from '#model/metadata.ts';
import type { Locality, Node } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { type NodeRegistration, nodeRegistration } from './node-registration.ts';

const roles = ['sidecar', 'router', 'agent'] as const;
const interceptionModes = ['NONE', 'REDIRECT', 'TPROXY'] as const;

export interface ProxyNode extends NodeRegistration {
  /** `sidecar~127.3.1.2~reviews-v1-0.default~default.svc.cluster.local` */
  readonly id: string;
  /** An agent stands beside a sidecar of another make, and answers the names of DNS for it (Heddle's own). */
  readonly role: (typeof roles)[number];
  readonly address: string;
  readonly podName: string;
  readonly namespace: string;
  /** What understands the answer: Heddle gets its own filters, gRPC its own shape. */
  readonly client: 'heddle' | 'envoy' | 'grpc';
  /** Whether it asks by delta, so that virtual hosts may come to it one by one; absent: no. */
  readonly byDelta?: boolean;
  /** How traffic of the application comes to the proxy: by its own will, or by the kernel's (Istio's names). */
  readonly interceptionMode: (typeof interceptionModes)[number];
  readonly labels: Labels;
  /** Absent: found by the pod's owner, else the pod's name. */
  readonly workloadName?: string;
  readonly clusterId: string;
  /** Name of the network it is in (`NETWORK`); absent: that of everybody. */
  readonly network?: string;
  /** All that it says of itself. */
  readonly metadata: JsonObject;
  /** `REGION/ZONE/SUBZONE`, as far as the node tells. */
  readonly locality?: string;
}

export function proxyNode(node: Node): Parsed<ProxyNode> {
  const problems: Problem[] = [];
  const refuse = (message: string): void => void problems.push({ level: 'error', path: 'node', message });
  const metadata: JsonObject = node.metadata ?? {};
  const [roleText, address, place, domain] = node.id.split('~');
  const role = roles.find((known) => known === roleText);
  if (role === undefined) refuse(`the id ${JSON.stringify(node.id)} is not ROLE~IP~NAME.NAMESPACE~DOMAIN`);
  const dot = place?.lastIndexOf('.') ?? -1;
  if (place === undefined || domain === undefined || dot < 1)
    refuse(`the id ${JSON.stringify(node.id)} names no workload`);
  const mode = textOf(metadata.INTERCEPTION_MODE) ?? 'REDIRECT';
  const interceptionMode = interceptionModes.find((known) => known === mode);
  if (interceptionMode === undefined)
    refuse(`the INTERCEPTION_MODE ${JSON.stringify(mode)} is not one of ${interceptionModes.join(', ')}`);
  const registration = nodeRegistration(metadata, { role, address: address ?? '' }, problems);
  if (problems.length > 0) return { ok: false, problems };
  const workloadName = textOf(metadata.WORKLOAD_NAME);
  const network = textOf(metadata.NETWORK);
  const locality = localityOf(node.locality);
  return {
    ok: true,
    problems,
    value: {
      id: node.id,
      role: role!,
      address: address ?? '',
      podName: place!.slice(0, dot),
      namespace: textOf(metadata.NAMESPACE) ?? place!.slice(dot + 1),
      client: clientOf(node, metadata),
      interceptionMode: interceptionMode!,
      labels: labelsOf(metadata.LABELS),
      ...(workloadName !== undefined && { workloadName }),
      metadata,
      clusterId: textOf(metadata.CLUSTER_ID) ?? 'Kubernetes',
      ...(network !== undefined && { network }),
      ...(locality !== undefined && { locality }),
      ...registration,
    },
  };
}

function clientOf(node: Node, metadata: JsonObject): ProxyNode['client'] {
  if (metadata.GENERATOR === 'grpc') return 'grpc';
  return node.userAgentName === 'heddle' ? 'heddle' : 'envoy';
}

function localityOf(locality: Locality | undefined): string | undefined {
  if (locality === undefined || locality.region === '') return undefined;
  const { region, zone, subZone } = locality;
  return [region, zone, subZone].join('/').replace(/\/+$/, '');
}

function labelsOf(value: JsonValue | undefined): Labels {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  return Object.fromEntries(Object.entries(value).map(([key, label]) => [key, String(label)]));
}

function textOf(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
