/**
 * Documents -> what to run: workloads by replicas, their images replaced by local commands.
 * Pure but for the names of folders; whatever cannot be run is a problem with the line to change.
 */
import { resolve } from 'node:path';
import { didYouMean } from '#core/did-you-mean.ts';
import { hasErrors, type Parsed, type Position, type Problem } from '#core/problem.ts';
import type { Container } from '#model/container.ts';
import { formatPath, type Path } from '#model/decode/decoder.ts';
import { type Kind, keyOf, type Resource, type ResourceByKind } from '#model/kinds.ts';
import { defaultMeshSettings, type LocalImage, type LocalMesh } from '#model/local-mesh.ts';
import { meshSettings } from '#model/mesh-settings.ts';
import { isWorkload, labelsOfPods, type Workload } from '#model/workload.ts';
import { captureEverything, interceptionAnnotation, planCapture } from './capture-plan.ts';
import { ClaimTable } from './claim-plan.ts';
import { planIngress } from './ingress-plan.ts';
import { planJob } from './job-plan.ts';
import { planLifecycle, planProbes } from './probe-plan.ts';
import { type ProxyPlan, ProxyTable } from './proxy-plan.ts';
import { planServices } from './service-plan.ts';
import { type ReportAt, SettingsTable } from './variable-plan.ts';
import { planVolumes } from './volume-plan.ts';
import type { ContainerPlan, MeshPlan, WorkloadPlan } from './workload-plan.ts';

export interface PlanSettings {
  /** Of the mesh, when the person chose one. */
  readonly name?: string;
  /** What the mesh is called when nobody says: the folder's name. */
  readonly fallbackName: string;
  /** Ports below are not for us ({@link file://../../host/self.ts}). */
  readonly lowestPort: number;
  /** Whether traffic may be captured; what is said of that matters to nobody else. */
  readonly capture: boolean;
}

/** Kubernetes' default for `terminationGracePeriodSeconds` is 30; somebody is waiting at this terminal. */
const DEFAULT_GRACE_MS = 10_000;

const specPath: Path = ['spec', 'template', 'spec'];
const annotationsPath: Path = ['spec', 'template', 'metadata', 'annotations'];

/** An image's mapping together with the file it came from. */
interface MappedImage {
  readonly image: LocalImage;
  /** Folder that its paths are relative to. */
  readonly folder: string;
}

export function planMesh(resources: readonly Resource[], settings: PlanSettings): Parsed<MeshPlan> {
  const problems: Problem[] = [];
  const meshes = ofKind(resources, 'LocalMesh');
  const sources = resources.filter(isWorkload);
  const common = meshSettings(resources);
  const tables = {
    settings: new SettingsTable(resources),
    claims: new ClaimTable(resources),
    proxies: new ProxyTable(common, resources),
  };
  const planner = new Planner(meshes, tables, settings, problems);
  const workloads = sources.map((source) => planner.workload(source));
  reportUnknownWorkloads(meshes, sources, problems);
  reportSameNames(sources, problems);
  if (hasErrors(problems)) return { ok: false, problems };
  const mesh = meshes[0];
  const plan: MeshPlan = {
    name: settings.name ?? mesh?.metadata.name ?? settings.fallbackName,
    workloads,
    services: planServices(ofKind(resources, 'Service')),
    ...planIngress(resources),
    settings: {
      trustDomain: common.trustDomain,
      ingress: mesh?.ingress ?? defaultMeshSettings.ingress,
    },
  };
  return { ok: true, value: plan, problems };
}

export function ofKind<K extends Kind>(
  resources: readonly Resource[],
  kind: K,
): readonly ResourceByKind[K][] {
  return resources.filter((resource): resource is ResourceByKind[K] => resource.kind === kind);
}

class Planner {
  readonly #images = new Map<string, MappedImage>();
  readonly #meshes: readonly LocalMesh[];
  readonly #settings: PlanSettings;
  readonly #settingsTable: SettingsTable;
  readonly #claims: ClaimTable;
  readonly #proxies: ProxyTable;
  readonly #problems: Problem[];

  constructor(
    meshes: readonly LocalMesh[],
    tables: { readonly settings: SettingsTable; readonly claims: ClaimTable; readonly proxies: ProxyTable },
    settings: PlanSettings,
    problems: Problem[],
  ) {
    this.#meshes = meshes;
    this.#settingsTable = tables.settings;
    this.#claims = tables.claims;
    this.#proxies = tables.proxies;
    this.#settings = settings;
    this.#problems = problems;
    for (const { images, origin } of meshes) {
      const folder = resolve(origin.file, '..');
      for (const [name, image] of Object.entries(images)) this.#images.set(name, { image, folder });
    }
  }

  workload(workload: Workload): WorkloadPlan {
    const { name, namespace = 'default' } = workload.metadata;
    const { template } = workload.spec;
    const { annotations } = template.metadata;
    const labels = labelsOfPods(workload);
    const chosen = this.#meshes.map((mesh) => mesh.workloads[name]).find((entry) => entry !== undefined);
    const templates = (annotations['inject.istio.io/templates'] ?? 'sidecar')
      .split(',')
      .map((word) => word.trim());
    const notInjected = [labels, annotations].some((map) => map['sidecar.istio.io/inject'] === 'false');
    const grpcAgent = templates.includes('grpc-agent') && !notInjected;
    const sidecar = notInjected || !templates.includes('sidecar') ? 'none' : (chosen?.sidecar ?? 'heddle');
    const grace = template.spec.terminationGracePeriodSeconds;
    const report: ReportAt = (path, message, fix) => this.#report(workload, path, message, fix);
    const proxy = this.#proxies.plan(workload, { annotations, labels }, annotationsPath, this.#problems);
    return {
      key: `${namespace}/${name}`,
      name,
      namespace,
      ...instancesOf(workload),
      labels,
      annotations,
      serviceAccount: template.spec.serviceAccountName,
      initContainers: template.spec.initContainers.flatMap((container, at) =>
        this.#container(workload, container, ['initContainers', at]).map((plan) => ({
          ...plan,
          staysRunning: container.staysRunning,
        })),
      ),
      containers: template.spec.containers.flatMap((container, at) =>
        this.#container(workload, container, ['containers', at]),
      ),
      volumes: planVolumes(template.spec, specPath, {
        namespace,
        table: this.#settingsTable,
        claims: this.#claims,
        report,
      }),
      sidecar,
      capture: this.#settings.capture
        ? planCapture({ ...intercepted(proxy), ...annotations }, annotationsPath, report)
        : captureEverything,
      proxy,
      grpcAgent,
      graceMs: grace === undefined ? DEFAULT_GRACE_MS : grace * 1_000,
    };
  }

  #container(
    workload: Workload,
    container: Container,
    at: readonly [list: string, index: number],
  ): ContainerPlan[] {
    const here = [...specPath, ...at];
    const mapped = this.#images.get(container.image);
    if (mapped === undefined) {
      this.#report(
        workload,
        [...here, 'image'],
        `no local command is known for the image ${container.image}`,
        this.#imageFix(container.image),
      );
      return [];
    }
    const { image, folder } = mapped;
    const report: ReportAt = (path, message, fix) => this.#report(workload, path, message, fix);
    const tcp = container.ports.filter(({ protocol }) => protocol === 'TCP');
    for (const [index, { containerPort }] of container.ports.entries()) {
      if (containerPort >= this.#settings.lowestPort) continue;
      this.#report(
        workload,
        [...here, 'ports', index, 'containerPort'],
        `port ${containerPort} may only be bound by root`,
        `choose one from ${this.#settings.lowestPort} on, or allow it: sudo sysctl net.ipv4.ip_unprivileged_port_start=${containerPort}`,
      );
    }
    return [
      {
        name: container.name,
        image: container.image,
        command: [...(container.command ?? image.command), ...container.args],
        imageWords: container.command === undefined ? image.command.length : 0,
        workingDirectory: resolve(folder, container.workingDir ?? image.workingDir ?? '.'),
        env: image.env,
        variables: this.#settingsTable.variablesOf(
          container,
          workload.metadata.namespace ?? 'default',
          here,
          report,
        ),
        probes: planProbes(container, here, report),
        lifecycle: planLifecycle(container, here, report),
        mounts: container.volumeMounts,
        ports: tcp.map(({ name, containerPort }) => ({ ...(name !== undefined && { name }), containerPort })),
      },
    ];
  }

  #imageFix(image: string): string {
    const meant = didYouMean(image, this.#images.keys());
    if (meant !== undefined) return meant;
    const entry = `images: {"${image}": {command: [node, app.ts]}}`;
    const file = this.#meshes[0]?.origin.file;
    if (file !== undefined) return `add to ${file}: ${entry}`;
    return `add a file heddle.yaml with: {apiVersion: heddle.dev/v1alpha1, kind: LocalMesh, metadata: {name: ${this.#settings.fallbackName}}, ${entry}}`;
  }

  #report(
    resource: Resource,
    path: readonly (string | number)[],
    message: string,
    fix: string | undefined,
  ): void {
    const at: Position | undefined = resource.origin.positionOf(path) ?? resource.origin.start;
    this.#problems.push({
      level: 'error',
      message,
      path: formatPath(path),
      at,
      ...(fix !== undefined && { fix }),
      resource: keyOf(resource),
    });
  }
}

function instancesOf(
  workload: Workload,
): Pick<WorkloadPlan, 'replicas' | 'recreates' | 'ordinals' | 'claimRetention' | 'job'> {
  if (workload.kind === 'Job') return { replicas: 1, job: planJob(workload) };
  const { replicas } = workload.spec;
  if (workload.kind === 'Deployment')
    return { replicas, ...(workload.spec.strategy.type === 'Recreate' && { recreates: true }) };
  const { spec } = workload;
  const { ordinals, podManagementPolicy, volumeClaimTemplates } = spec;
  return {
    replicas,
    ordinals: { start: ordinals.start, ordered: podManagementPolicy === 'OrderedReady' },
    ...(volumeClaimTemplates.length > 0 && { claimRetention: spec.persistentVolumeClaimRetentionPolicy }),
  };
}

/** Their instances would have the same names. */
function reportSameNames(workloads: readonly Workload[], problems: Problem[]): void {
  for (const workload of workloads) {
    const { name, namespace } = workload.metadata;
    const first = workloads.find(
      ({ metadata }) => metadata.name === name && metadata.namespace === namespace,
    )!;
    if (first === workload) continue;
    const { file, line } = first.origin.start;
    problems.push({
      level: 'error',
      message: `the ${first.kind} at ${file}:${line} is called ${name} too, and so would be its instances`,
      path: 'metadata.name',
      at: workload.origin.positionOf(['metadata', 'name']) ?? workload.origin.start,
      resource: keyOf(workload),
    });
  }
}

/** A workload of a `LocalMesh` that none is called: its setting would silently do nothing. */
function reportUnknownWorkloads(
  meshes: readonly LocalMesh[],
  workloads: readonly Workload[],
  problems: Problem[],
): void {
  const names = new Set(workloads.map(({ metadata }) => metadata.name));
  for (const mesh of meshes) {
    for (const name of Object.keys(mesh.workloads)) {
      if (names.has(name)) continue;
      const path = ['workloads', name];
      const fix = didYouMean(name, names);
      problems.push({
        level: 'error',
        message: `there is no workload called ${name}`,
        path: formatPath(path),
        at: mesh.origin.positionOf(path) ?? mesh.origin.start,
        resource: keyOf(mesh),
        ...(fix !== undefined && { fix }),
      });
    }
  }
}

/** What an annotation of the Pods may still say otherwise. */
function intercepted({ interceptionMode: mode }: ProxyPlan): Readonly<Record<string, string>> {
  return mode === undefined ? {} : { [interceptionAnnotation]: mode };
}
