/**
 * Documents -> what to run: Deployments by replicas, their images replaced by local commands.
 * Pure but for the names of folders; whatever cannot be run is a problem with the line to change.
 */
import { resolve } from 'node:path';
import { didYouMean } from '#core/did-you-mean.ts';
import { hasErrors, type Parsed, type Position, type Problem } from '#core/problem.ts';
import type { Container } from '#model/container.ts';
import { formatPath } from '#model/decode/decoder.ts';
import type { Deployment } from '#model/deployment.ts';
import { type Kind, keyOf, type Resource, type ResourceByKind } from '#model/kinds.ts';
import { defaultMeshSettings, type LocalImage, type LocalMesh } from '#model/local-mesh.ts';
import { planIngress } from './ingress-plan.ts';
import { planServices } from './service-plan.ts';
import type { ContainerPlan, MeshPlan, WorkloadPlan } from './workload-plan.ts';

export interface PlanSettings {
  /** Of the mesh, when the person chose one. */
  readonly name?: string;
  /** What the mesh is called when nobody says: the folder's name. */
  readonly fallbackName: string;
  /** Ports below are not for us ({@link file://../../host/self.ts}). */
  readonly lowestPort: number;
}

/** Kubernetes' default for `terminationGracePeriodSeconds` is 30; somebody is waiting at this terminal. */
const DEFAULT_GRACE_MS = 10_000;

/** An image's mapping together with the file it came from. */
interface MappedImage {
  readonly image: LocalImage;
  /** Folder that its paths are relative to. */
  readonly folder: string;
}

export function planMesh(resources: readonly Resource[], settings: PlanSettings): Parsed<MeshPlan> {
  const problems: Problem[] = [];
  const meshes = ofKind(resources, 'LocalMesh');
  const deployments = ofKind(resources, 'Deployment');
  const planner = new Planner(meshes, settings, problems);
  const workloads = deployments.map((deployment) => planner.workload(deployment));
  reportUnknownWorkloads(meshes, deployments, problems);
  if (hasErrors(problems)) return { ok: false, problems };
  const mesh = meshes[0];
  const plan: MeshPlan = {
    name: settings.name ?? mesh?.metadata.name ?? settings.fallbackName,
    workloads,
    services: planServices(ofKind(resources, 'Service')),
    ...planIngress(ofKind(resources, 'Gateway'), ofKind(resources, 'VirtualService')),
    settings: {
      trustDomain: mesh?.trustDomain ?? defaultMeshSettings.trustDomain,
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
  readonly #problems: Problem[];

  constructor(meshes: readonly LocalMesh[], settings: PlanSettings, problems: Problem[]) {
    this.#meshes = meshes;
    this.#settings = settings;
    this.#problems = problems;
    for (const { images, origin } of meshes) {
      const folder = resolve(origin.file, '..');
      for (const [name, image] of Object.entries(images)) this.#images.set(name, { image, folder });
    }
  }

  workload(deployment: Deployment): WorkloadPlan {
    const { name, namespace = 'default' } = deployment.metadata;
    const { template, replicas } = deployment.spec;
    const { labels, annotations } = template.metadata;
    const chosen = this.#meshes.map((mesh) => mesh.workloads[name]).find((entry) => entry !== undefined);
    const templates = (annotations['inject.istio.io/templates'] ?? 'sidecar')
      .split(',')
      .map((word) => word.trim());
    const notInjected = [labels, annotations].some((map) => map['sidecar.istio.io/inject'] === 'false');
    const grpcAgent = templates.includes('grpc-agent') && !notInjected;
    const sidecar = notInjected || !templates.includes('sidecar') ? 'none' : (chosen?.sidecar ?? 'heddle');
    const grace = template.spec.terminationGracePeriodSeconds;
    return {
      key: `${namespace}/${name}`,
      name,
      namespace,
      replicas,
      labels,
      annotations,
      serviceAccount: template.spec.serviceAccountName,
      containers: template.spec.containers.flatMap((container, at) =>
        this.#container(deployment, container, at),
      ),
      sidecar,
      grpcAgent,
      graceMs: grace === undefined ? DEFAULT_GRACE_MS : grace * 1_000,
    };
  }

  #container(deployment: Deployment, container: Container, at: number): ContainerPlan[] {
    const here = ['spec', 'template', 'spec', 'containers', at] as const;
    const mapped = this.#images.get(container.image);
    if (mapped === undefined) {
      this.#report(
        deployment,
        [...here, 'image'],
        `no local command is known for the image ${container.image}`,
        this.#imageFix(container.image),
      );
      return [];
    }
    const { image, folder } = mapped;
    const tcp = container.ports.filter(({ protocol }) => protocol === 'TCP');
    for (const [index, { containerPort }] of container.ports.entries()) {
      if (containerPort >= this.#settings.lowestPort) continue;
      this.#report(
        deployment,
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
        workingDirectory: resolve(folder, container.workingDir ?? image.workingDir ?? '.'),
        env: { ...image.env, ...Object.fromEntries(container.env.map(({ name, value }) => [name, value])) },
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

  #report(resource: Resource, path: readonly (string | number)[], message: string, fix: string): void {
    const at: Position | undefined = resource.origin.positionOf(path) ?? resource.origin.start;
    this.#problems.push({
      level: 'error',
      message,
      path: formatPath(path),
      at,
      fix,
      resource: keyOf(resource),
    });
  }
}

/** A workload of a `LocalMesh` that no Deployment is called: its setting would silently do nothing. */
function reportUnknownWorkloads(
  meshes: readonly LocalMesh[],
  deployments: readonly Deployment[],
  problems: Problem[],
): void {
  const names = new Set(deployments.map(({ metadata }) => metadata.name));
  for (const mesh of meshes) {
    for (const name of Object.keys(mesh.workloads)) {
      if (names.has(name)) continue;
      const path = ['workloads', name];
      const fix = didYouMean(name, names);
      problems.push({
        level: 'error',
        message: `there is no Deployment called ${name}`,
        path: formatPath(path),
        at: mesh.origin.positionOf(path) ?? mesh.origin.start,
        resource: keyOf(mesh),
        ...(fix !== undefined && { fix }),
      });
    }
  }
}
