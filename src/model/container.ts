/** Containers and pod templates of Kubernetes, as far as a process on this machine can honour them. */
import {
  type EnvironmentSource,
  type EnvironmentVariable,
  environmentSource,
  environmentVariable,
} from './container-env.ts';
import { list } from './decode/collection.ts';
import type { Decoder, Path, Report } from './decode/decoder.ts';
import {
  defaulted,
  meaningless,
  type ObjectOf,
  object,
  optional,
  required,
  unsupported,
} from './decode/object.ts';
import { dnsName, nonEmptyText, oneOf, portNumber, text } from './decode/scalar.ts';
import { type Metadata, templateMetadata } from './metadata.ts';
import { type Lifecycle, lifecycle, otherProbe, type Probes, readinessProbe } from './probe.ts';
import { checkMounts, type Volume, type VolumeMount, volume, volumeMount } from './volume.ts';

export interface ContainerPort {
  readonly name?: string;
  readonly containerPort: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
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
  /** Before `env`; later ones win. */
  readonly envFrom: readonly EnvironmentSource[];
  readonly ports: readonly ContainerPort[];
  readonly probes: Probes;
  readonly lifecycle: Lifecycle;
  readonly volumeMounts: readonly VolumeMount[];
}

export interface InitContainer extends Container {
  /** Whether it goes on beside the others (`restartPolicy: Always`, "sidecar container"), or ends before they start. */
  readonly staysRunning: boolean;
}

export interface PodSpec {
  /** Absent: `default`. */
  readonly serviceAccountName: string;
  /** One after the other, before the others. */
  readonly initContainers: readonly InitContainer[];
  readonly containers: readonly Container[];
  readonly terminationGracePeriodSeconds?: number;
  readonly volumes: readonly Volume[];
  /** What becomes of containers that end. */
  readonly restartPolicy: RestartPolicy;
  /** Name of the Node it runs on; absent: none is known. */
  readonly nodeName?: string;
}

export type RestartPolicy = 'Always' | 'OnFailure' | 'Never';

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

const containerShape = {
  name: required(dnsName('no dots')),
  image: required(nonEmptyText),
  command: optional(list(text)),
  args: defaulted(list(text), []),
  workingDir: optional(text),
  env: defaulted(list(environmentVariable), []),
  envFrom: defaulted(list(environmentSource), []),
  ports: defaulted(list(containerPort), []),
  lifecycle: defaulted(lifecycle, {}),
  startupProbe: optional(otherProbe),
  livenessProbe: optional(otherProbe),
  readinessProbe: optional(readinessProbe),
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
  restartPolicy: optional(oneOf(['Always', 'OnFailure', 'Never'])),
  restartPolicyRules: unsupported('adds'),
  volumeDevices: unsupported('adds'),
  volumeMounts: defaulted(list(volumeMount), []),
} as const;

type ContainerFields = ObjectOf<typeof containerShape>;
const containerFields: Decoder<ContainerFields> = object(containerShape);

const container: Decoder<Container> = (value, path, report) => {
  const decoded = containerFields(value, path, report);
  if (decoded === undefined) return undefined;
  if (decoded.restartPolicy !== undefined) report.unsupported([...path, 'restartPolicy'], 'adds');
  return containerOf(decoded);
};

const initContainer: Decoder<InitContainer> = (value, path, report) => {
  const decoded = containerFields(value, path, report);
  if (decoded === undefined) return undefined;
  const { restartPolicy, startupProbe, livenessProbe, readinessProbe: readiness } = decoded;
  const staysRunning = restartPolicy === 'Always';
  if (restartPolicy !== undefined && !staysRunning) report.unsupported([...path, 'restartPolicy'], 'adds');
  const lasting = { startupProbe, livenessProbe, readinessProbe: readiness, ...decoded.lifecycle };
  for (const [name, field] of Object.entries(lasting)) {
    if (field === undefined || staysRunning) continue;
    const at = name.endsWith('Probe') ? [name] : ['lifecycle', name];
    report.error([...path, ...at], 'an init container has none, but for one with restartPolicy: Always');
  }
  return { ...containerOf(decoded), staysRunning };
};

function containerOf(decoded: ContainerFields): Container {
  const {
    startupProbe: startup,
    livenessProbe: liveness,
    readinessProbe: readiness,
    restartPolicy: _,
    ...rest
  } = decoded;
  return {
    ...rest,
    probes: {
      ...(startup !== undefined && { startup }),
      ...(liveness !== undefined && { liveness }),
      ...(readiness !== undefined && { readiness }),
    },
  };
}

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
  nodeName: optional(nonEmptyText),
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
  initContainers: defaulted(list(initContainer), []),
  containers: required(list(container, 1)),
  terminationGracePeriodSeconds: optional((value) => (typeof value === 'number' ? value : undefined)),
  ephemeralContainers: unsupported('adds'),
  hostAliases: unsupported('adds'),
  hostname: unsupported('adds'),
  readinessGates: unsupported('adds'),
  resourceClaims: unsupported('adds'),
  restartPolicy: optional(oneOf(['Always', 'OnFailure', 'Never'])),
  subdomain: unsupported('adds'),
  volumes: defaulted(list(volume), []),
});

/** Of an instance that is kept running. */
export const podSpec: Decoder<PodSpec> = podSpecOf(['Always']);

/** Looks whether there is a volume for every mount. @param path of the Pod's `spec` */
export function checkPodMounts(
  { volumes, initContainers, containers }: Pick<PodSpec, 'volumes' | 'initContainers' | 'containers'>,
  path: Path,
  report: Report,
): void {
  const lists = Object.entries({ initContainers, containers }).flatMap(([name, list]) =>
    list.map(({ volumeMounts }, index) => ({ at: [name, index], volumeMounts })),
  );
  checkMounts(volumes, lists, path, report);
}

/**
 * @param policies that its owner can have; the first is what most want
 * @param check of its volumes, where no others come to them
 */
function podSpecOf(
  policies: readonly [RestartPolicy, ...RestartPolicy[]],
  check: typeof checkPodMounts = checkPodMounts,
): Decoder<PodSpec> {
  return (value, path, report) => {
    const decoded = spec(value, path, report);
    if (decoded === undefined) return undefined;
    const {
      serviceAccountName,
      serviceAccount,
      initContainers,
      containers,
      terminationGracePeriodSeconds: grace,
      restartPolicy = 'Always',
      volumes,
      nodeName,
    } = decoded;
    check(decoded, path, report);
    if (!policies.includes(restartPolicy)) {
      const at = [...path, 'restartPolicy'];
      if (policies.includes('Always')) report.unsupported(at, 'adds');
      else report.error(at, 'what runs to its end is not always started anew', policies.join(' or '));
    }
    return {
      serviceAccountName: serviceAccountName ?? serviceAccount ?? 'default',
      initContainers,
      containers,
      ...(grace !== undefined && { terminationGracePeriodSeconds: grace }),
      volumes,
      restartPolicy,
      ...(nodeName !== undefined && { nodeName }),
    };
  };
}

export function podTemplateOf(
  policies: readonly [RestartPolicy, ...RestartPolicy[]],
  check: typeof checkPodMounts = checkPodMounts,
): Decoder<PodTemplate> {
  return object({
    metadata: defaulted(templateMetadata, { labels: {}, annotations: {} }),
    spec: required(podSpecOf(policies, check)),
  });
}
