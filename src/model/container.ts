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
import { dnsName, integer, nonEmptyText, oneOf, portNumber, text } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';
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

const ownAddress = 'An instance is reached at its own address.';

const containerPort: Decoder<ContainerPort> = object({
  name: optional(dnsName('no dots'), 'For Services and probes.'),
  containerPort: required(portNumber, 'Where the application listens.'),
  protocol: defaulted(oneOf(['TCP', 'UDP', 'SCTP']), 'TCP', 'Sidecars carry TCP alone.'),
  hostIP: meaningless(ownAddress),
  hostPort: meaningless(ownAddress),
});

const noRuntime = 'A matter of the container runtime: processes run here as they are.';

const containerShape = {
  name: required(dnsName('no dots'), 'Unlike those of the others.'),
  image: required(
    nonEmptyText,
    'What runs: the command that `images` of [LocalMesh](local-mesh.md) has for it.',
  ),
  command: optional(list(text), 'Replaces the command of the image.'),
  args: defaulted(list(text), [], 'Follow the command.'),
  workingDir: optional(text, 'Where it runs, in place of what the image says.'),
  env: defaulted(list(environmentVariable), [], 'Variables; they win over `envFrom` and the image.'),
  envFrom: defaulted(
    list(environmentSource),
    [],
    'ConfigMaps and Secrets that are variables as a whole; later ones win.',
  ),
  ports: defaulted(list(containerPort), [], 'Where it listens.'),
  lifecycle: defaulted(lifecycle, {}, 'What is done when it has started, and before it ends.'),
  startupProbe: optional(
    otherProbe,
    'The other probes wait for its first success; with too many failures it is started anew.',
  ),
  livenessProbe: optional(otherProbe, 'With too many failures it is started anew.'),
  readinessProbe: optional(
    readinessProbe,
    'Whether it takes requests. Without one it is ready while its ports answer.',
  ),
  imagePullPolicy: meaningless(noRuntime),
  resources: meaningless(noRuntime),
  resizePolicy: meaningless(noRuntime),
  securityContext: meaningless(noRuntime),
  stdin: meaningless(noRuntime),
  stdinOnce: meaningless(noRuntime),
  tty: meaningless(noRuntime),
  terminationMessagePath: meaningless(noRuntime),
  terminationMessagePolicy: meaningless(noRuntime),
  restartPolicy: optional(
    oneOf(['Always', 'OnFailure', 'Never']),
    '`Always` of an init container: it goes on beside the others. Anything else is told to have no effect, with a warning.',
  ),
  restartPolicyRules: unsupported('adds', 'Which ends start it anew.'),
  volumeDevices: unsupported('adds', 'Block devices.'),
  volumeMounts: defaulted(
    list(volumeMount),
    [],
    'Where it finds volumes; without capture, folders that variables name.',
  ),
} as const;

type ContainerFields = ObjectOf<typeof containerShape>;
const containerFields: Decoder<ContainerFields> = object(containerShape);

const container: Decoder<Container> = refined(containerFields, (decoded, path, report) => {
  if (decoded.restartPolicy !== undefined) report.unsupported([...path, 'restartPolicy'], 'adds');
  return containerOf(decoded);
});

const initContainer: Decoder<InitContainer> = refined(containerFields, (decoded, path, report) => {
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
});

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

const oneMachine = 'Everything runs on this machine.';
const noToken = 'The identity of an application is with its sidecar.';
const ownDns = 'The DNS of sidecars, or of the machine, answers.';
const isolation =
  'Where traffic is captured an instance has a network of its own; else it is a process of this machine.';

/** Where and how a pod is placed on nodes and isolated from them. */
const placement = {
  activeDeadlineSeconds: meaningless('What is kept running has no end; a Job has its own.'),
  affinity: meaningless(oneMachine),
  automountServiceAccountToken: meaningless(noToken),
  dnsConfig: meaningless(ownDns),
  dnsPolicy: meaningless(ownDns),
  enableServiceLinks: meaningless('Services are found by name.'),
  hostIPC: meaningless(isolation),
  hostNetwork: meaningless(isolation),
  hostPID: meaningless(isolation),
  hostUsers: meaningless(isolation),
  imagePullSecrets: meaningless(noRuntime),
  nodeName: optional(nonEmptyText, 'The Node whose labels say where it is.'),
  nodeSelector: meaningless(oneMachine),
  os: meaningless(noRuntime),
  overhead: meaningless(noRuntime),
  preemptionPolicy: meaningless(oneMachine),
  priority: meaningless(oneMachine),
  priorityClassName: meaningless(oneMachine),
  resources: meaningless(noRuntime),
  runtimeClassName: meaningless(noRuntime),
  schedulerName: meaningless(oneMachine),
  schedulingGates: meaningless(oneMachine),
  securityContext: meaningless(noRuntime),
  setHostnameAsFQDN: meaningless(noRuntime),
  shareProcessNamespace: meaningless(isolation),
  tolerations: meaningless(oneMachine),
  topologySpreadConstraints: meaningless(oneMachine),
} as const;

const MAX_SECONDS = 2 ** 31 - 1;

const spec = object({
  serviceAccountName: optional(dnsName('dots'), 'Whose identity its certificate carries; absent: `default`.'),
  serviceAccount: optional(dnsName('dots'), 'The older name of `serviceAccountName`.'),
  containers: required(list(container, 1), 'What runs in it.'),
  initContainers: defaulted(list(initContainer), [], 'Run before the others, one after the other.'),
  terminationGracePeriodSeconds: optional(
    integer(0, MAX_SECONDS),
    'How long containers may take to end; then they are killed.',
  ),
  ephemeralContainers: unsupported('adds', 'Containers for looking into others.'),
  hostAliases: unsupported('adds', 'Lines of `/etc/hosts`.'),
  hostname: unsupported('adds', 'Of the Pod.'),
  readinessGates: unsupported('adds', 'Further conditions of being ready.'),
  resourceClaims: unsupported('adds', 'Devices.'),
  restartPolicy: optional(
    oneOf(['Always', 'OnFailure', 'Never']),
    'What becomes of containers that end. A Job has `OnFailure` or `Never`, everything else `Always`.',
  ),
  subdomain: unsupported('adds', 'Part of its name.'),
  volumes: defaulted(list(volume), [], 'Files for its containers ([workloads.md](../workloads.md)).'),
  ...placement,
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
  return refined(spec, (decoded, path, report) => {
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
  });
}

export function podTemplateOf(
  policies: readonly [RestartPolicy, ...RestartPolicy[]],
  check: typeof checkPodMounts = checkPodMounts,
): Decoder<PodTemplate> {
  return object({
    metadata: defaulted(
      templateMetadata,
      { labels: {}, annotations: {} },
      'Labels and annotations of each instance.',
    ),
    spec: required(podSpecOf(policies, check), 'Its containers.'),
  });
}
