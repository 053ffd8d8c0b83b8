/**
 * The volumes of one instance, each a folder beside what else the instance keeps: made before its containers start,
 * kept over their restarts, and removed with it; of a claim there is a link to its folder. Nobody but the user may enter
 * the folder that they are in.
 */
import { chmodSync, existsSync, mkdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import { type SetFile, writeFileSet } from '#host/file-set.ts';
import type { ContainerMounts } from '#host/network/container-mounts.ts';
import type { ClaimReference, Volume } from '#model/volume.ts';
import type { PodNetwork } from './captured-network.ts';
import type { ClaimFolders } from './claim-folders.ts';
import { claimNameOf } from './claim-plan.ts';
import { fileFieldOf, type PodFacts } from './expand.ts';
import type { FilePlan, VolumePlan } from './volume-plan.ts';
import type { ContainerPlan, WorkloadPlan } from './workload-plan.ts';

export class PodVolumes {
  /** Of all of them; each is called as its volume. */
  readonly #folder: string;
  readonly #containers: readonly ContainerPlan[];
  readonly #pod: PodFacts;
  readonly #claims: ClaimFolders;
  /** Folders of claims, by volume. */
  readonly #claimed = new Map<string, string>();
  readonly #complain: (message: string) => void;
  #plans: readonly VolumePlan[];
  #isMade = false;

  constructor(
    places: { readonly folder: string; readonly claims: ClaimFolders },
    plan: WorkloadPlan,
    pod: PodFacts,
    complain: (message: string) => void,
  ) {
    this.#folder = places.folder;
    this.#claims = places.claims;
    this.#plans = plan.volumes;
    this.#containers = [...plan.initContainers, ...plan.containers];
    this.#pod = pod;
    this.#complain = complain;
  }

  /** @param network where they are mounted; undefined: nowhere. @returns whether all is there */
  async make(network: PodNetwork | undefined): Promise<boolean> {
    try {
      this.#isMade = true;
      this.remove();
      if (this.#plans.length > 0) mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      for (const { written, files } of this.#plans) {
        if (this.#linkToClaim(written)) continue;
        mkdirSync(this.#folderOf(written.name));
        // Where it is mounted, an application that gives up being root may write still, as on Kubernetes.
        chmodSync(this.#folderOf(written.name), files === undefined ? 0o777 : 0o755);
        if (files !== undefined) this.#write(written.name, files);
      }
      for (const container of this.#containers) {
        if (container.mounts.length === 0) continue;
        this.#makeSubPaths(container);
        await network?.mount(container.name, this.#mountsOf(container));
      }
      return true;
    } catch (error) {
      this.#complain(`has no volumes: ${(error as Error).message}`);
      return false;
    }
  }

  /** A link by no absolute path: a container may have something else there. @returns whether it is a claim's */
  #linkToClaim(volume: Volume): boolean {
    const claim = claimNameOf(volume, this.#pod.name);
    if (claim === undefined) return false;
    const folder = this.#claims.make(this.#pod.namespace, claim);
    this.#claimed.set(volume.name, folder);
    symlinkSync(relative(this.#folder, folder), this.#folderOf(volume.name));
    return true;
  }

  /** Puts other files in the place of those there are. @returns whether any are others */
  update(plans: readonly VolumePlan[]): boolean {
    const before = this.#plans.map(({ files }) => JSON.stringify(files));
    this.#plans = plans;
    if (!this.#isMade) return false;
    const changed = plans.filter(({ files }, index) => JSON.stringify(files) !== before[index]);
    try {
      for (const { written, files } of changed) this.#write(written.name, files ?? []);
    } catch (error) {
      this.#complain(`keeps old files in its volumes: ${(error as Error).message}`);
    }
    return changed.length > 0;
  }

  remove(): void {
    try {
      rmSync(this.#folder, { recursive: true, force: true, maxRetries: 3 });
    } catch (error) {
      this.#complain(`leaves files behind: ${(error as Error).message}`);
    }
  }

  /** Each as open as its volume (Kubernetes, `SafeMakeDir` of the kubelet). */
  #makeSubPaths({ mounts }: ContainerPlan): void {
    for (const { name, subPath } of mounts) {
      if (subPath === '' || this.#isGiven(name)) continue;
      const { mode } = statSync(this.#folderOf(name));
      let path = this.#folderOf(name);
      for (const step of subPath.split('/')) {
        path = join(path, step);
        if (existsSync(path)) continue;
        mkdirSync(path);
        chmodSync(path, mode);
      }
    }
  }

  /** What is to be mounted in the namespace of a container. */
  #mountsOf({ mounts, workingDirectory }: ContainerPlan): ContainerMounts {
    return {
      folder: this.#folder,
      keep: workingDirectory,
      mounts: mounts.map(({ name, mountPath, subPath, readOnly }) => {
        const given = this.#isGiven(name);
        const source = join(name, subPath);
        // What is given is nobody's to write (Kubernetes, `ConfigMapVolumeSource` and others).
        const strict = readOnly || given || this.#claimOf(name)?.readOnly === true;
        return { source, at: mountPath, readOnly: strict, takesFolders: !given };
      }),
    };
  }

  /** Where a container finds its volumes, by name: where one is mounted, or its folder on this machine. */
  seenBy({ mounts }: ContainerPlan, mounted: boolean): ReadonlyMap<string, string> {
    const names = new Set(mounts.map(({ name }) => name));
    return new Map(
      [...names].map((volume) => {
        const whole = mounts.find(({ name, subPath }) => name === volume && subPath === '');
        return [
          volume,
          (mounted ? whole?.mountPath : undefined) ?? this.#claimed.get(volume) ?? this.#folderOf(volume),
        ];
      }),
    );
  }

  #claimOf(volume: string): ClaimReference | undefined {
    return this.#plans.find(({ written }) => written.name === volume)?.written.claim;
  }

  #isGiven(volume: string): boolean {
    return this.#plans.some(({ written, files }) => written.name === volume && files !== undefined);
  }

  #folderOf(volume: string): string {
    return join(this.#folder, volume);
  }

  #write(volume: string, files: readonly FilePlan[]): void {
    const set = files.map(
      (file): SetFile => ({
        path: file.path,
        mode: file.mode,
        bytes:
          'base64' in file
            ? Buffer.from(file.base64, 'base64')
            : Buffer.from(fileFieldOf(this.#pod, file.fieldPath)),
      }),
    );
    writeFileSet(this.#folderOf(volume), set);
  }
}
