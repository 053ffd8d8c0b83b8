/** From files to the store: what people wrote, and the instances that the runner tells about. */
import { hasErrors, type Problem } from '#core/problem.ts';
import { analyze } from '#model/analyze/analysis.ts';
import { type Loaded, type LoadOptions, loadDocuments } from '#model/load.ts';
import type { MeshStore } from '../store/mesh-store.ts';
import { checkPatchValues } from '../translate/envoy-filter/value.ts';
import { jsonEndings, type TextFiles, yamlEndings } from './text-files.ts';
import { type FileWatch, type WatchOptions, watchFiles } from './watch.ts';

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
  const sources: Source[] = [];
  const follow = (name: string, options: WatchOptions): Promise<FileWatch> => {
    const source = new Source(name, store, { allowUnsupported });
    sources.push(source);
    return watchFiles(options, (files) => source.take(files));
  };
  const files = await follow(filesSource, { paths, endings: yamlEndings });
  const pods =
    podsFolder === undefined
      ? undefined
      : await follow(podsSource, {
          ...{ paths: [podsFolder], endings: jsonEndings },
          // No editor writes there, and each file is whole.
          debounceMs: PODS_DEBOUNCE_MS,
        });
  const watches = pods === undefined ? [files] : [files, pods];
  return {
    refreshPods: async () => pods?.refresh(),
    async refresh(): Promise<void> {
      await Promise.all(watches.map((watch) => watch.refresh()));
    },
    close(): void {
      for (const watch of watches) watch.close();
      for (const source of sources) source.close();
    },
  };
}

/** A few instances that come and go together are one change. */
const PODS_DEBOUNCE_MS = 10;

/** How long nothing may change before resources are looked at together again. */
const ANALYSIS_AFTER_MS = 200;

/** One of the store's. What its resources look like together is told when they have come to rest. */
class Source {
  readonly #name: string;
  readonly #store: MeshStore;
  readonly #options: LoadOptions;
  #timer: NodeJS.Timeout | undefined;
  /** By the last analysis; undefined before the first. */
  #found: readonly Problem[] | undefined;

  constructor(name: string, store: MeshStore, options: LoadOptions) {
    this.#name = name;
    this.#store = store;
    this.#options = { ...options, kept: new WeakMap(), withoutAnalysis: true };
  }

  take(files: TextFiles): void {
    clearTimeout(this.#timer);
    const loaded = load(files, this.#options);
    if (this.#found === undefined) this.#found = analysisOf(loaded);
    else this.#timer = setTimeout(() => this.#analyze(loaded), ANALYSIS_AFTER_MS);
    this.#update(loaded);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #analyze(loaded: Loaded): void {
    this.#found = analysisOf(loaded);
    this.#update(loaded);
  }

  #update(loaded: Loaded): void {
    this.#store.update(this.#name, { ...loaded, problems: [...loaded.problems, ...(this.#found ?? [])] });
  }
}

/** What a broken document would have brought is missing, and would be complained about. */
function analysisOf({ rejected, brokenFiles, resources }: Loaded): readonly Problem[] {
  return rejected.length === 0 && brokenFiles.length === 0 ? analyze(resources) : [];
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
