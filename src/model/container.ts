/** Containers and pod templates of Kubernetes, as far as a process on this machine can honour them. */
import { list } from './decode/collection.ts';
import type { Decoder } from './decode/decoder.ts';
import { defaulted, meaningless, object, optional, required, unsupported } from './decode/object.ts';
import { dnsName, nonEmptyText, oneOf, portNumber, text } from './decode/scalar.ts';
import { type Metadata, templateMetadata } from './metadata.ts';

export interface ContainerPort {
  readonly name?: string;
  readonly containerPort: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
}

export interface EnvironmentVariable {
  readonly name: string;
  readonly value: string;
}

export interface Container {
  readonly name: string;
  readonly image: string;
  /** Replaces the image's entrypoint. */
  readonly command?: readonly string[];
  /** Follow the entrypoint. */
  readonly args: readonly string[];
  readonly workingDir?: string;
  readonly env: readonly EnvironmentVariable[];
  readonly ports: readonly ContainerPort[];
}

export interface PodSpec {
  /** Absent: `default`. */
  readonly serviceAccountName: string;
  readonly containers: readonly Container[];
  readonly terminationGracePeriodSeconds?: number;
}

export interface PodTemplate {
  readonly metadata: Pick<Metadata, 'labels' | 'annotations'>;
  readonly spec: PodSpec;
}

const containerPort: Decoder<ContainerPort> = object({
  name: optional(dnsName('no dots')),
  containerPort: required(portNumber),
  protocol: defaulted(oneOf(['TCP', 'UDP', 'SCTP']), 'TCP'),
  hostIP: meaningless(),
  hostPort: meaningless(),
});

const environmentVariable: Decoder<EnvironmentVariable> = object({
  name: required(nonEmptyText),
  value: defaulted(text, ''),
  valueFrom: unsupported('adds'),
});

const container: Decoder<Container> = object({
  name: required(dnsName('no dots')),
  image: required(nonEmptyText),
  command: optional(list(text)),
  args: defaulted(list(text), []),
  workingDir: optional(text),
  env: defaulted(list(environmentVariable), []),
  ports: defaulted(list(containerPort), []),
  // Matters of the container runtime alone: there is no container here.
  imagePullPolicy: meaningless(),
  resources: meaningless(),
  resizePolicy: meaningless(),
  securityContext: meaningless(),
  stdin: meaningless(),
  stdinOnce: meaningless(),
  tty: meaningless(),
  terminationMessagePath: meaningless(),
  terminationMessagePolicy: meaningless(),
  // These change what the application sees or when it counts as ready.
  envFrom: unsupported('adds'),
  lifecycle: unsupported('adds'),
  livenessProbe: unsupported('adds'),
  readinessProbe: unsupported('adds'),
  startupProbe: unsupported('adds'),
  restartPolicy: unsupported('adds'),
  restartPolicyRules: unsupported('adds'),
  volumeDevices: unsupported('adds'),
  volumeMounts: unsupported('adds'),
});

/** Where and how a pod is placed on nodes and isolated from them. */
const placement = {
  activeDeadlineSeconds: meaningless(),
  affinity: meaningless(),
  automountServiceAccountToken: meaningless(),
  dnsConfig: meaningless(),
  dnsPolicy: meaningless(),
  enableServiceLinks: meaningless(),
  hostIPC: meaningless(),
  hostNetwork: meaningless(),
  hostPID: meaningless(),
  hostUsers: meaningless(),
  imagePullSecrets: meaningless(),
  nodeName: meaningless(),
  nodeSelector: meaningless(),
  os: meaningless(),
  overhead: meaningless(),
  preemptionPolicy: meaningless(),
  priority: meaningless(),
  priorityClassName: meaningless(),
  resources: meaningless(),
  runtimeClassName: meaningless(),
  schedulerName: meaningless(),
  schedulingGates: meaningless(),
  securityContext: meaningless(),
  setHostnameAsFQDN: meaningless(),
  shareProcessNamespace: meaningless(),
  tolerations: meaningless(),
  topologySpreadConstraints: meaningless(),
} as const;

const spec = object({
  ...placement,
  serviceAccountName: optional(dnsName('dots')),
  serviceAccount: optional(dnsName('dots')),
  containers: required(list(container, 1)),
  terminationGracePeriodSeconds: optional((value) => (typeof value === 'number' ? value : undefined)),
  ephemeralContainers: unsupported('adds'),
  hostAliases: unsupported('adds'),
  hostname: unsupported('adds'),
  initContainers: unsupported('adds'),
  readinessGates: unsupported('adds'),
  resourceClaims: unsupported('adds'),
  restartPolicy: optional(oneOf(['Always', 'OnFailure', 'Never'])),
  subdomain: unsupported('adds'),
  volumes: unsupported('adds'),
});

export const podSpec: Decoder<PodSpec> = (value, path, report) => {
  const decoded = spec(value, path, report);
  if (decoded === undefined) return undefined;
  const {
    serviceAccountName,
    serviceAccount,
    containers,
    terminationGracePeriodSeconds: grace,
    restartPolicy,
  } = decoded;
  if (restartPolicy !== undefined && restartPolicy !== 'Always')
    report.unsupported([...path, 'restartPolicy'], 'adds');
  return {
    serviceAccountName: serviceAccountName ?? serviceAccount ?? 'default',
    containers,
    ...(grace !== undefined && { terminationGracePeriodSeconds: grace }),
  };
};

export const podTemplate: Decoder<PodTemplate> = object({
  metadata: defaulted(templateMetadata, { labels: {}, annotations: {} }),
  spec: required(podSpec),
});
