/**
 * The settings of a cluster at rest, as they were read: what it says itself, and what it says like others, which is one object for all of
 * them. Settings that run are flat, and all of one shape.
 */
import type { ClusterSettings } from './settings.ts';

type OwnPart = 'name' | 'shownName' | 'assignment' | 'metadata' | 'transport' | 'transportMatches';

/** What thousands of clusters say alike. */
export type CommonSettings = Omit<ClusterSettings, OwnPart>;

/** Those of the last clusters that were packed. */
const MOST = 16;
const known: CommonSettings[] = [];

function sharedCommon(common: CommonSettings): CommonSettings {
  const keys = Object.keys(common) as (keyof CommonSettings)[];
  const before = known.find((one) => keys.every((key) => Object.is(one[key], common[key])));
  if (before !== undefined) return before;
  if (known.length >= MOST) known.shift();
  known.push(common);
  return common;
}

export class PackedSettings {
  readonly name: ClusterSettings['name'];
  readonly shownName: ClusterSettings['shownName'];
  readonly assignment: ClusterSettings['assignment'];
  readonly metadata: ClusterSettings['metadata'];
  readonly transport: ClusterSettings['transport'];
  readonly transportMatches: ClusterSettings['transportMatches'];
  readonly common: CommonSettings;

  constructor(settings: ClusterSettings) {
    const { name, shownName, assignment, metadata, transport, transportMatches, ...common } = settings;
    this.name = name;
    this.shownName = shownName;
    this.assignment = assignment;
    this.metadata = metadata;
    this.transport = transport;
    this.transportMatches = transportMatches;
    this.common = sharedCommon(common);
  }

  unpack(): ClusterSettings {
    const { name, shownName, assignment, metadata, transport, transportMatches } = this;
    return { name, shownName, assignment, metadata, transport, transportMatches, ...this.common };
  }
}

/** What runs has them in this form, whether or not it rested. */
export function flatSettings(settings: ClusterSettings): ClusterSettings {
  const { name, shownName, assignment, metadata, transport, transportMatches, ...common } = settings;
  return { name, shownName, assignment, metadata, transport, transportMatches, ...common };
}
