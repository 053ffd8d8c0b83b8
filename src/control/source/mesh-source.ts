/** From files to the store: what people wrote, and the instances that the runner tells about. */
import { hasErrors } from '#core/problem.ts';
import { type Loaded, type LoadOptions, loadDocuments } from '#model/load.ts';
import type { MeshStore } from '../store/mesh-store.ts';
import { checkPatchValues } from '../translate/envoy-filter/value.ts';
import { jsonEndings, type TextFiles, yamlEndings } from './text-files.ts';
import { type FileWatch, watchFiles } from './watch.ts';

/** Names of the sources in the store. */
export const filesSource = 'files';
export const podsSource = 'pods';

export interface MeshSourceOptions extends LoadOptions {
  /** Files and folders of YAML. */
  readonly paths: readonly string[];
  /** Folder with one JSON document for each running instance. Absent: no instances are known. */
  readonly podsFolder?: string;
}

export interface MeshWatch extends FileWatch {
  /** Reads the instances alone: what people write may be half saved. */
  refreshPods(): Promise<void>;
}

/** Resolves when everything has been read once; the store follows the files until `close`. */
export async function followMesh(store: MeshStore, options: MeshSourceOptions): Promise<MeshWatch> {
  const { paths, podsFolder, allowUnsupported = [] } = options;
  const follow = (name: string, from: readonly string[], endings: readonly string[]): Promise<FileWatch> =>
    watchFiles(
      { paths: from, endings },
      (files) => void store.update(name, load(files, { allowUnsupported })),
    );
  const files = await follow(filesSource, paths, yamlEndings);
  const pods = podsFolder === undefined ? undefined : await follow(podsSource, [podsFolder], jsonEndings);
  const watches = pods === undefined ? [files] : [files, pods];
  return {
    refreshPods: async () => pods?.refresh(),
    async refresh(): Promise<void> {
      await Promise.all(watches.map((watch) => watch.refresh()));
    },
    close(): void {
      for (const watch of watches) watch.close();
    },
  };
}

/** A path that cannot be read may hold anything, so it holds the last good back as a broken file does. */
function load({ texts, problems }: TextFiles, options: LoadOptions): Loaded {
  const loaded = loadDocuments(texts, { ...options, lookInto: checkPatchValues });
  return {
    ...loaded,
    problems: [...problems, ...loaded.problems],
    unread: hasErrors(problems),
  };
}
