/** What sidecars and gateways keep in the state folder, to come back while the control plane is away. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { certificateFileNames } from '../certificate-files.ts';
import type { MeshPlaces } from './mesh-places.ts';
import type { MeshServices } from './mesh-services.ts';
import type { StateFolder } from './state-folder.ts';

type Subject = Parameters<MeshServices['joinToken']>[0];

/** Undefined where nobody gives one and there is a certificate to begin with; rejects where there is none either. */
export async function tokenUnlessKept(mesh: MeshServices, subject: Subject): Promise<string | undefined> {
  try {
    return await mesh.joinToken(subject);
  } catch (error) {
    const folder = mesh.places.certificateFolder(subject.pod, subject.namespace);
    if (existsSync(join(folder, certificateFileNames.chain))) return undefined;
    throw error;
  }
}

/** An instance begins: what one of its name has kept is of another time. */
export function forgetKept(
  stateFolder: Pick<StateFolder, 'keep'>,
  places: MeshPlaces,
  { pod, namespace }: Pick<Subject, 'pod' | 'namespace'>,
): void {
  stateFolder.keep(() => {
    rmSync(places.certificateFolder(pod, namespace), { recursive: true, force: true });
    rmSync(places.keptConfiguration(pod, namespace), { force: true });
  });
}
