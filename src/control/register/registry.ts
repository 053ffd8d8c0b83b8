/** The registrar of a control plane with its folder and its place in the store. */
import { join } from 'node:path';
import { systemClock } from '#core/clock.ts';
import type { Logger } from '#observe/log.ts';
import type { MeshStore } from '../store/mesh-store.ts';
import { EntryFiles } from './entry-files.ts';
import { Registrar } from './registrar.ts';

export interface RegistrySettings {
  readonly stateFolder: string;
  readonly store: MeshStore;
  /** Of the mesh. */
  readonly name: string;
  /** How long an entry outlives the last stream of its workload. */
  readonly workloadEntryGraceS: number;
  readonly log: Logger;
}

export interface Registry {
  readonly registrar: Registrar;
  /** Leaves entries as they are, on the disk, for the next control plane. */
  close(): Promise<void>;
}

/** Name of the source in the store. */
const SOURCE = 'registrations';
const FOLDER = 'registrations';

/** Those of a control plane before this one are in the store when it resolves. */
export async function openRegistry(settings: RegistrySettings): Promise<Registry> {
  const { stateFolder, store, name, workloadEntryGraceS, log } = settings;
  const files = new EntryFiles(join(stateFolder, FOLDER), log);
  const registrar = new Registrar(
    {
      files,
      mesh: () => store.index,
      publish(resources): void {
        const nothing = { problems: [], allowed: [], rejected: [], brokenFiles: [], unread: false };
        store.update(SOURCE, { resources, ...nothing });
      },
      name: `${name}-control`,
      graceMs: workloadEntryGraceS * 1000,
      clock: systemClock,
      log,
    },
    await files.load(),
  );
  return {
    registrar,
    async close(): Promise<void> {
      registrar.close();
      await files.settled();
    },
  };
}
