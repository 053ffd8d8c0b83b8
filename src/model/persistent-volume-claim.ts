/** Kubernetes `PersistentVolumeClaim` (v1), and the templates by which a StatefulSet makes one for each instance. */
import { list } from './decode/collection.ts';
import { type Decoder, describeValue } from './decode/decoder.ts';
import { meaningless, object, optional, refused, required } from './decode/object.ts';
import { dnsName, oneOf, text } from './decode/scalar.ts';
import { described, refined, schemaOf } from './decode/schema.ts';
import type { KindDefinition } from './kind.ts';
import { labels, type ResourceBase } from './metadata.ts';

/** Files that outlive Pods. Whatever it asks for beside, it is a folder of this machine. */
export interface ClaimSpec {
  readonly accessModes: readonly ('ReadWriteOnce' | 'ReadOnlyMany' | 'ReadWriteMany')[];
}

export type PersistentVolumeClaim = ResourceBase<'PersistentVolumeClaim', ClaimSpec>;

export interface ClaimTemplate {
  /** Of the volume; the claim of an instance has its name and that of the Pod: `data-db-0`. */
  readonly name: string;
}

const modes = ['ReadWriteOnce', 'ReadOnlyMany', 'ReadWriteMany'] as const;

const accessMode: Decoder<ClaimSpec['accessModes'][number]> = described(
  schemaOf(oneOf(modes)),
  (value, path, report) => {
    if (value !== 'ReadWriteOncePod') return oneOf(modes)(value, path, report);
    return report.error(
      path,
      'ReadWriteOncePod is not supported: a second Pod would not be kept away',
      'ReadWriteOnce',
    );
  },
);

/** An amount as Kubernetes writes it, such as `1Gi` or `500M`; more than none. */
const amount: Decoder<string> = described({ type: 'string', format: 'amount' }, (value, path, report) => {
  const written = typeof value === 'number' ? String(value) : value;
  const form = /^\+?(\d+\.?\d*|\.\d+)([KMGTPE]i|[mkMGTPE]|[eE][+-]?\d+)?$/;
  const digits = typeof written === 'string' ? form.exec(written)?.[1] : undefined;
  if (digits !== undefined && Number(digits) > 0) return written as string;
  return report.error(path, `an amount of storage is expected, not ${describeValue(value)}`, '1Gi');
});

const storageClass: Decoder<string> = refined(text, (written, path, report) => {
  if (written !== '') return written;
  return report.error(
    path,
    'asks for a PersistentVolume that somebody has made, and there are none here',
    'leave it out: the claim then has a folder of its own',
  );
});

const volumeMode: Decoder<'Filesystem'> = refined(oneOf(['Filesystem', 'Block']), (mode, path, report) => {
  if (mode !== 'Block') return 'Filesystem';
  return report.error(path, 'there are no block devices here: a claim is a folder', 'Filesystem');
});

const ownFolder = 'a claim has a folder of its own here, empty at first; remove it';

export const claimSpec: Decoder<ClaimSpec> = object({
  accessModes: required(list(accessMode, 1), 'Any of them will do: all instances are on this machine.'),
  resources: required(
    object({
      requests: required(
        object({ storage: required(amount, 'Has to be asked for, such as `1Gi`; it is not enforced.') }),
        'What it asks for.',
      ),
      limits: meaningless("How much it becomes is the machine's matter."),
    }),
    'Its size.',
  ),
  storageClassName: optional(storageClass, 'Any name is a folder of this machine.'),
  volumeMode: optional(volumeMode, 'There are no block devices: `Block` is an error.'),
  volumeAttributesClassName: meaningless('A folder has no such attributes.'),
  volumeName: refused(ownFolder, 'A volume that somebody has made.'),
  selector: refused(ownFolder, 'Volumes that somebody has made.'),
  dataSource: refused(ownFolder, 'What is in it at first.'),
  dataSourceRef: refused(ownFolder, 'What is in it at first.'),
});

const templated = 'A template has none.';

const template = object({
  apiVersion: meaningless(templated),
  kind: meaningless(templated),
  metadata: required(
    object({
      name: required(dnsName('no dots'), 'Of the volume; the claim of an instance is `NAME-POD`.'),
      namespace: meaningless('That of the set.'),
      creationTimestamp: meaningless(templated),
      labels: optional(labels, 'Nobody selects claims.'),
      annotations: optional(labels, 'Nobody reads them.'),
    }),
    'What they are called.',
  ),
  spec: required(claimSpec, 'What they ask for.'),
  status: meaningless(templated),
});

export const claimTemplate: Decoder<ClaimTemplate> = refined(template, ({ metadata }) => ({
  name: metadata.name,
}));

export const persistentVolumeClaimKind: KindDefinition<PersistentVolumeClaim> = {
  kind: 'PersistentVolumeClaim',
  group: '',
  versions: ['v1'],
  scope: 'namespace',
  about: 'Files that outlive Pods: a folder of this machine ([workloads.md](../workloads.md)).',
  fields: { spec: required(claimSpec), status: meaningless() },
};
