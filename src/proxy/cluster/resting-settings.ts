/**
 * The settings of a cluster at rest: what it shows, and how the rest is had again when it wakes. Those that came as
 * bytes are read again; what is said in files or in full stays as it was read.
 */
import { atOnce } from '#core/time-slice.ts';
import { ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { decodeSteps } from '#xds/gradual-decoder.ts';
import type { DataPathDeps } from '../data-path-deps.ts';
import { Findings } from '../findings.ts';
import { bytesOfText, type HeldText } from '../held-text.ts';
import type { Wanted } from '../resource-source.ts';
import { PackedSettings } from './packed-settings.ts';
import { type ClusterSettings, readCluster } from './settings.ts';
import { sharedSettings } from './shared-settings.ts';
import { transportsOf } from './stats-layout.ts';

/** What thousands of clusters have alike. */
type Shown = Pick<ClusterSettings, 'kind' | 'circuit'> & {
  /** Keys of the secrets of each transport. */
  readonly secrets: readonly (readonly string[])[];
  /** How many of them come from a server or a file. */
  readonly dynamicSecrets: number;
};

export class RestingSettings {
  readonly name: string;
  readonly shownName: string;
  readonly assignment: Wanted;
  readonly #shown: Shown;
  readonly #kept: PackedSettings | HeldText;

  /** @param text of its bytes, where there are some: whoever shows the configuration has the same */
  constructor(settings: ClusterSettings, text: HeldText | undefined) {
    this.name = settings.name;
    this.shownName = settings.shownName;
    this.assignment = settings.assignment;
    const transports = transportsOf(settings);
    this.#shown = sharedSettings({
      kind: settings.kind,
      circuit: settings.circuit,
      secrets: transports.map(({ secrets }) => secrets).filter(({ length }) => length > 0),
      dynamicSecrets: transports.reduce((sum, { dynamicSecrets }) => sum + dynamicSecrets, 0),
    });
    const isReadAgain = transports.every(({ isReadAgainAlike }) => isReadAgainAlike);
    this.#kept = text !== undefined && isReadAgain ? text : new PackedSettings(settings);
  }

  get kind(): ClusterSettings['kind'] {
    return this.#shown.kind;
  }

  get circuit(): ClusterSettings['circuit'] {
    return this.#shown.circuit;
  }

  get dynamicSecrets(): number {
    return this.#shown.dynamicSecrets;
  }

  /** How many transports name the secret. */
  naming(secret: string): number {
    return this.#shown.secrets.filter((keys) => keys.includes(secret)).length;
  }

  whole(deps: DataPathDeps): ClusterSettings {
    if (typeof this.#kept !== 'string') return this.#kept.unpack();
    const message = atOnce(decodeSteps(ClusterSchema, bytesOfText(this.#kept)));
    // What was wrong with it was found when it came.
    return readCluster(message, deps, new Findings());
  }
}
