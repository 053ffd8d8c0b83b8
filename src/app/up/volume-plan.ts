/** The volumes of a Pod: what their files hold is looked up in ConfigMaps and Secrets when the mesh is planned. */
import { didYouMean } from '#core/did-you-mean.ts';
import { bytesOf } from '#model/config-map.ts';
import type { PodSpec } from '#model/container.ts';
import type { Path } from '#model/decode/decoder.ts';
import type { KeyFiles, Volume, VolumeMount } from '#model/volume.ts';
import type { ClaimTable } from './claim-plan.ts';
import { placeOf, type ReportAt, type SettingsTable } from './variable-plan.ts';
import type { WorkloadPlan } from './workload-plan.ts';

/** What an instance makes of it: bytes, or a field of its Pod. */
export type FilePlan = {
  /** Relative to the volume. */
  readonly path: string;
  readonly mode: number;
} & ({ readonly base64: string } | { readonly fieldPath: string });

export interface VolumePlan {
  /** As it is written: another one needs other processes. */
  readonly written: Volume;
  /** Other ones are put in the place of these while processes run; absent: the containers write what they like. */
  readonly files?: readonly FilePlan[];
}

/** Where ConfigMaps, Secrets and claims are looked for, and who is told of what is wrong. */
interface Surroundings {
  readonly namespace: string;
  readonly table: SettingsTable;
  readonly claims: ClaimTable;
  readonly report: ReportAt;
}

/** @param path of the Pod's `spec` */
export function planVolumes(
  { volumes, initContainers, containers }: PodSpec,
  path: Path,
  surroundings: Surroundings,
): readonly VolumePlan[] {
  const plans = volumes.map((volume, index) => planVolume(volume, [...path, 'volumes', index], surroundings));
  for (const [name, list] of Object.entries({ initContainers, containers })) {
    for (const [index, { volumeMounts }] of list.entries())
      checkSubPaths(plans, volumeMounts, [...path, name, index, 'volumeMounts'], surroundings.report);
  }
  return plans;
}

function planVolume(volume: Volume, path: Path, surroundings: Surroundings): VolumePlan {
  const { claim } = volume;
  if (claim?.of === 'everybody') {
    const missing = surroundings.claims.missing(claim.name, surroundings.namespace);
    if (missing !== undefined)
      surroundings.report([...path, 'persistentVolumeClaim', 'claimName'], ...missing);
  }
  if (volume.files === undefined) return { written: volume };
  const { defaultMode, sources } = volume.files;
  const planned = sources.map((source) => ({
    at: [...path, ...source.at],
    files:
      source.kind === 'Pod'
        ? source.items.map(({ mode = defaultMode, ...item }) => ({ ...item, mode }))
        : keyFiles(source, defaultMode, path, surroundings),
  }));
  const files: FilePlan[] = [];
  for (const { at, files: more } of planned) {
    for (const file of more) {
      if (files.some((other) => meet(other.path, file.path))) {
        const message = `two files of the volume ${volume.name} cannot both be ${file.path}`;
        surroundings.report(at, message, 'items with other paths');
      }
      files.push(file);
    }
  }
  return { written: volume, files };
}

/** Whether one is the other, or would be a file where the other needs a folder. */
function meet(one: string, other: string): boolean {
  return one === other || one.startsWith(`${other}/`) || other.startsWith(`${one}/`);
}

/** @param path of the volume */
function keyFiles(
  source: KeyFiles,
  defaultMode: number,
  path: Path,
  { namespace, table, report }: Surroundings,
): FilePlan[] {
  const { kind, name, optional, at, nameAt } = source;
  const settings = table.find(kind, name, namespace);
  if (settings === undefined) {
    if (!optional) report([...path, ...nameAt], ...table.missing(kind, name, namespace));
    return [];
  }
  const bytes = bytesOf(settings);
  const all = [...bytes.keys()].map((key) => ({ key, path: key }));
  const items: NonNullable<KeyFiles['items']> = source.items ?? all;
  return items.flatMap(({ key, path: file, mode = defaultMode }, index) => {
    const value = bytes.get(key);
    if (value !== undefined) return [{ path: file, mode, base64: Buffer.from(value).toString('base64') }];
    if (!optional) {
      const fix = didYouMean(key, bytes.keys()) ?? `add it at ${placeOf(settings)}, or write optional: true`;
      const message = `the ${kind} ${namespace}/${name} has no key ${JSON.stringify(key)}`;
      report([...path, ...at, 'items', index, 'key'], message, fix);
    }
    return [];
  });
}

/** Of given files one is mounted that is there; in a folder that containers write to, one is made. */
function checkSubPaths(
  volumes: readonly VolumePlan[],
  mounts: readonly VolumeMount[],
  path: Path,
  report: ReportAt,
): void {
  for (const [index, { name, subPath }] of mounts.entries()) {
    const files = volumes.find(({ written }) => written.name === name)?.files;
    if (files === undefined || subPath === '') continue;
    const paths = files.map((file) => file.path);
    if (paths.some((one) => one === subPath || one.startsWith(`${subPath}/`))) continue;
    report(
      [...path, index, 'subPath'],
      `the volume ${name} has no file ${JSON.stringify(subPath)}`,
      didYouMean(subPath, paths) ?? (paths.length === 0 ? undefined : `one of ${paths.join(', ')}`),
    );
  }
}

/** The variable that names the folder of a volume. */
export function volumeVariable(name: string): string {
  return `HEDDLE_VOLUME_${name.toUpperCase().replaceAll('-', '_')}`;
}

/** Of each workload with volumes: where each is to be mounted, and the variable that names its folder. */
export function unmountedLines(
  workloads: readonly Pick<WorkloadPlan, 'key' | 'initContainers' | 'containers'>[],
): string[] {
  return workloads.flatMap(({ key, initContainers, containers }) => {
    const mounts = [...initContainers, ...containers].flatMap((container) => container.mounts);
    const told = mounts.map(({ name, mountPath }) => `${mountPath}: $${volumeVariable(name)}`);
    return told.length === 0 ? [] : [`${key}: ${[...new Set(told)].join(', ')}`];
  });
}
