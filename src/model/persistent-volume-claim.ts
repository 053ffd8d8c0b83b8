/** Kubernetes `PersistentVolumeClaim` (v1), and the templates by which a StatefulSet makes one for each instance. */
import { list } from './decode/collection.ts';
import { type Decoder, describeValue } from './decode/decoder.ts';
import { meaningless, object, optional, refused, required } from './decode/object.ts';
import { dnsName, oneOf, text } from './decode/scalar.ts';
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

const accessMode: Decoder<ClaimSpec['accessModes'][number]> = (value, path, report) => {
  if (value !== 'ReadWriteOncePod') return oneOf(modes)(value, path, report);
  return report.error(
    path,
    'ReadWriteOncePod is not supported: a second Pod would not be kept away',
    'ReadWriteOnce',
  );
};

/** An amount as Kubernetes writes it, such as `1Gi` or `500M`; more than none. */
const amount: Decoder<string> = (value, path, report) => {
  const written = typeof value === 'number' ? String(value) : value;
  const form = /^\+?(\d+\.?\d*|\.\d+)([KMGTPE]i|[mkMGTPE]|[eE][+-]?\d+)?$/;
  const digits = typeof written === 'string' ? form.exec(written)?.[1] : undefined;
  if (digits !== undefined && Number(digits) > 0) return written as string;
  return report.error(path, `an amount of storage is expected, not ${describeValue(value)}`, '1Gi');
};

const storageClass: Decoder<string> = (value, path, report) => {
  if (value !== '') return text(value, path, report);
  return report.error(
    path,
    'asks for a PersistentVolume that somebody has made, and there are none here',
    'leave it out: the claim then has a folder of its own',
  );
};

const volumeMode: Decoder<'Filesystem'> = (value, path, report) => {
  if (oneOf(['Filesystem', 'Block'])(value, path, report) !== 'Block') return 'Filesystem';
  return report.error(path, 'there are no block devices here: a claim is a folder', 'Filesystem');
};

const ownFolder = 'a claim has a folder of its own here, empty at first; remove it';

export const claimSpec: Decoder<ClaimSpec> = object({
  accessModes: required(list(accessMode, 1)),
  // As the API server has it: a size must be asked for. How much it becomes is the machine's matter.
  resources: required(
    object({ requests: required(object({ storage: required(amount) })), limits: meaningless() }),
  ),
  storageClassName: optional(storageClass),
  volumeMode: optional(volumeMode),
  volumeAttributesClassName: meaningless(),
  volumeName: refused(ownFolder),
  selector: refused(ownFolder),
  dataSource: refused(ownFolder),
  dataSourceRef: refused(ownFolder),
});

const template = object({
  apiVersion: meaningless(),
  kind: meaningless(),
  metadata: required(
    object({
      name: required(dnsName('no dots')),
      namespace: meaningless(),
      creationTimestamp: meaningless(),
      labels: optional(labels),
      annotations: optional(labels),
    }),
  ),
  spec: required(claimSpec),
  status: meaningless(),
});

export const claimTemplate: Decoder<ClaimTemplate> = (value, path, report) => {
  const decoded = template(value, path, report);
  return decoded && { name: decoded.metadata.name };
};

export const persistentVolumeClaimKind: KindDefinition<PersistentVolumeClaim> = {
  kind: 'PersistentVolumeClaim',
  group: '',
  versions: ['v1'],
  scope: 'namespace',
  fields: { spec: required(claimSpec), status: meaningless() },
};
