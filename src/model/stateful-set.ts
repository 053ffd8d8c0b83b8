/** Kubernetes `StatefulSet` (apps/v1): instances that keep their names, started and ended in their order. */
import type { Decoder } from './decode/decoder.ts';
import {
  defaulted,
  meaningless,
  object,
  optional,
  refused,
  required,
  unsupportedIf,
} from './decode/object.ts';
import { dnsName, integer, oneOf } from './decode/scalar.ts';
import type { KindDefinition } from './kind.ts';
import type { ResourceBase } from './metadata.ts';
import { checkSelector, type Replicated, replicatedFields } from './replicated.ts';
import { noDisk } from './volume.ts';

export interface StatefulSetSpec extends Replicated {
  /** The headless Service that its instances are named after. */
  readonly serviceName?: string;
  /** `OrderedReady`: the next starts when those before it are ready, and the last ends first; `Parallel`: all at once. */
  readonly podManagementPolicy: 'OrderedReady' | 'Parallel';
  /** Number of the first instance. */
  readonly ordinals: { readonly start: number };
}

export type StatefulSet = ResourceBase<'StatefulSet', StatefulSetSpec>;

const MAX_ORDINAL = 2 ** 31 - 1;

/** A changed set replaces its processes; who wants that at another time, or for some of them alone, is told. */
const updateStrategy = object({
  type: unsupportedIf('adds', (value) => value === 'OnDelete'),
  rollingUpdate: optional(
    object({
      partition: unsupportedIf('adds', (value) => value !== 0 && value !== null),
      maxUnavailable: meaningless(),
    }),
  ),
});

const spec: Decoder<StatefulSetSpec> = object(
  {
    ...replicatedFields,
    serviceName: optional(dnsName('no dots')),
    podManagementPolicy: defaulted(oneOf(['OrderedReady', 'Parallel']), 'OrderedReady'),
    ordinals: defaulted(object({ start: defaulted(integer(0, MAX_ORDINAL), 0) }), { start: 0 }),
    volumeClaimTemplates: refused(`volumes of the template: ${noDisk}`),
    persistentVolumeClaimRetentionPolicy: meaningless(),
    updateStrategy: optional(updateStrategy),
    minReadySeconds: meaningless(),
    revisionHistoryLimit: meaningless(),
  },
  checkSelector,
);

export const statefulSetKind: KindDefinition<StatefulSet> = {
  kind: 'StatefulSet',
  group: 'apps',
  versions: ['v1'],
  scope: 'namespace',
  fields: { spec: required(spec), status: meaningless() },
};
