/** Volumes of a Pod and where its containers find them (Kubernetes, `Volume` and `VolumeMount`). */
import { didYouMean } from '#core/did-you-mean.ts';
import { mapFieldOf } from './container-env.ts';
import { list } from './decode/collection.ts';
import type { Decoder, Path, Report } from './decode/decoder.ts';
import {
  atMostOneOf,
  defaulted,
  meaningless,
  object,
  optional,
  refused,
  required,
  unsupportedIf,
} from './decode/object.ts';
import { boolean, dnsName, integer, nonEmptyText, oneOf, text } from './decode/scalar.ts';
import { described, refined, schemaOf } from './decode/schema.ts';

/** One file of a volume. */
interface FileItem {
  /** Relative to the volume. */
  readonly path: string;
  /** Absent: the volume's `defaultMode`. */
  readonly mode?: number;
}

/** Files out of the keys of a ConfigMap or a Secret of the same namespace. */
export interface KeyFiles {
  readonly kind: 'ConfigMap' | 'Secret';
  readonly name: string;
  /** Absent: all keys, each in a file of its name. */
  readonly items?: readonly (FileItem & { readonly key: string })[];
  /** Whether it, or one of the keys, may be missing; then so are the files. */
  readonly optional: boolean;
  /** Where it stands in its volume. */
  readonly at: Path;
  /** Where its name stands there. */
  readonly nameAt: Path;
}

/** Files that say something about the Pod. */
export interface FieldFiles {
  readonly kind: 'Pod';
  readonly items: readonly (FileItem & { readonly fieldPath: string })[];
  readonly at: Path;
}

export interface Volume {
  readonly name: string;
  /** What its files are made of; absent: it is empty at first, and the containers write what they like. */
  readonly files?: {
    readonly defaultMode: number;
    readonly sources: readonly (KeyFiles | FieldFiles)[];
  };
  /** The claim whose files these are: they outlive the Pod. */
  readonly claim?: ClaimReference;
}

export interface ClaimReference {
  /** Of a PersistentVolumeClaim of the same namespace, or of a template of which each instance has its own. */
  readonly name: string;
  readonly of: 'everybody' | 'the instance';
  readonly readOnly: boolean;
}

export interface VolumeMount {
  /** Of the volume. */
  readonly name: string;
  /** Absolute, without `..` and a slash at its end. */
  readonly mountPath: string;
  /** A file or folder of the volume; empty: all of it. */
  readonly subPath: string;
  readonly readOnly: boolean;
}

/** Fields of a Pod that a file may hold, besides one label or annotation (Kubernetes, `DownwardAPIVolumeFile`). */
const fieldPaths = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'metadata.labels',
  'metadata.annotations',
] as const;

const fileField: Decoder<string> = refined(nonEmptyText, (decoded, path, report) => {
  if (mapFieldOf(decoded) !== undefined) return decoded;
  if ((fieldPaths as readonly string[]).includes(decoded)) return decoded;
  return report.error(
    path,
    `a file cannot hold the field ${JSON.stringify(decoded)}`,
    didYouMean(decoded, fieldPaths) ??
      `one of ${fieldPaths.join(', ')}, metadata.labels['KEY'] or metadata.annotations['KEY']`,
  );
});

const mode: Decoder<number> = described(schemaOf(integer(0, 0o777)), (value, path, report) => {
  if (typeof value === 'number' && value >= 0 && value <= 0o777)
    return integer(0, 0o777)(value, path, report);
  return report.error(path, `a file mode from 0 to 0777 is expected, not ${JSON.stringify(value)}`, '0644');
});

/** As the API server checks what is to be inside a volume. */
const inside: Decoder<string> = refined(nonEmptyText, (decoded, path, report) => {
  const why = decoded.startsWith('/')
    ? 'must be relative to the volume'
    : decoded.split('/').includes('..') && 'must not lead out of the volume by ".."';
  return why === false ? decoded : report.error(path, `${JSON.stringify(decoded)} ${why}`);
});

/** A name that begins with two dots is one of those by which files are swapped. */
const filePath: Decoder<string> = refined(inside, (decoded, path, report) => {
  if (!decoded.startsWith('..')) return decoded;
  return report.error(path, `${JSON.stringify(decoded)} must not begin with ".."`);
});

const keyItem = object({
  key: required(nonEmptyText, 'Whose value it has.'),
  path: required(filePath, 'Of the file, in the volume.'),
  mode: optional(mode, 'Of the file; absent: `defaultMode`.'),
});
const keyFiles = {
  items: optional(list(keyItem), 'Which keys; absent: all, each in a file of its name.'),
  optional: defaulted(boolean, false, 'It, or one of the keys, may be missing.'),
} as const;
const fieldItem = object({
  path: required(filePath, 'Of the file, in the volume.'),
  fieldRef: required(
    object({
      apiVersion: meaningless('There is one.'),
      fieldPath: required(
        fileField,
        `One of ${fieldPaths.map((one) => `\`${one}\``).join(', ')}, \`metadata.labels['KEY']\`, \`metadata.annotations['KEY']\`.`,
      ),
    }),
    'Something of the Pod itself.',
  ),
  resourceFieldRef: refused('there are no limits of resources here', 'Limits of resources.'),
  mode: optional(mode, 'Of the file; absent: `defaultMode`.'),
});
const fieldItems = defaulted(list(fieldItem), [], 'Files.');
const defaultMode = optional(mode, 'Of files that say nothing else; absent: 0644.');
const ofNamespace = required(dnsName('dots'), 'Of the same namespace.');

const named = object({ name: ofNamespace, ...keyFiles });
const configMap = object({ name: ofNamespace, ...keyFiles, defaultMode });
const secret = object({ secretName: ofNamespace, ...keyFiles, defaultMode });
const downwardApi = object({ items: fieldItems, defaultMode });

const identity = 'the identity of an application is with its sidecar; remove it';
const sourceNames = ['configMap', 'secret', 'downwardAPI'] as const;
const projectedSource = object(
  {
    configMap: optional(named, 'Keys of a ConfigMap.'),
    secret: optional(named, 'Keys of a Secret.'),
    downwardAPI: optional(object({ items: fieldItems }), 'Fields of the Pod.'),
    serviceAccountToken: refused(identity, 'A token of Kubernetes.'),
    clusterTrustBundle: refused(identity, 'Certificates of Kubernetes.'),
    podCertificate: refused(identity, 'A certificate of Kubernetes.'),
  },
  (value, path, report) => atMostOneOf(value, sourceNames, 'none is fine', path, report),
);
const projected = object({
  sources: defaulted(list(projectedSource), [], 'Whose files it has, together.'),
  defaultMode,
});

/** Kinds of volumes that bring a disk or a folder of somewhere else. */
const elsewhere = [
  ...['awsElasticBlockStore', 'azureDisk', 'azureFile', 'cephfs', 'cinder', 'csi', 'ephemeral', 'fc'],
  ...[
    'flexVolume',
    'flocker',
    'gcePersistentDisk',
    'gitRepo',
    'glusterfs',
    'hostPath',
    'image',
    'iscsi',
    'nfs',
  ],
  ...['photonPersistentDisk', 'portworxVolume', 'quobyte', 'rbd', 'scaleIO'],
  ...['storageos', 'vsphereVolume'],
] as const;
const noDisk =
  'emptyDir: {} has files as long as the Pod lives, persistentVolumeClaim for longer; configMap and secret have given ones';
const refusedKinds = Object.fromEntries(
  elsewhere.map((name) => [name, refused(noDisk, 'A disk or a folder of somewhere else.')]),
) as Readonly<Record<(typeof elsewhere)[number], ReturnType<typeof refused>>>;

const volumeFields = object({
  name: required(dnsName('no dots'), 'By which containers mount it.'),
  configMap: optional(configMap, 'Files with the values of a ConfigMap.'),
  secret: optional(secret, 'Files with the values of a Secret.'),
  downwardAPI: optional(downwardApi, 'Files that say something of the Pod.'),
  projected: optional(projected, 'Several of those in one folder.'),
  emptyDir: optional(
    object({
      medium: meaningless("Where its files are is the machine's matter."),
      sizeLimit: meaningless("How much they may be is the machine's matter."),
    }),
    'A folder that is empty at first and goes with the Pod; so is a volume that says nothing.',
  ),
  persistentVolumeClaim: optional(
    object({
      claimName: required(dnsName('dots'), 'A PersistentVolumeClaim of the same namespace.'),
      readOnly: defaulted(boolean, false, 'Nobody writes to it.'),
    }),
    'A folder that outlives the Pod.',
  ),
  ...refusedKinds,
});
type VolumeFields = NonNullable<ReturnType<typeof volumeFields>>;

const volumeKinds = ['configMap', 'secret', 'downwardAPI', 'projected', 'emptyDir', 'persistentVolumeClaim'];

/** Of a file without a mode (Kubernetes, `defaultMode`). */
const DEFAULT_MODE = 0o644;

export const volume: Decoder<Volume> = refined(volumeFields, (decoded, path, report) => {
  atMostOneOf(decoded, volumeKinds, 'none is fine', path, report);
  const { name, persistentVolumeClaim: claim } = decoded;
  if (claim !== undefined)
    return { name, claim: { name: claim.claimName, of: 'everybody', readOnly: claim.readOnly } };
  const sources = sourcesOf(decoded);
  if (sources === undefined) return { name };
  const chosen = decoded.configMap ?? decoded.secret ?? decoded.downwardAPI ?? decoded.projected;
  return { name, files: { defaultMode: chosen?.defaultMode ?? DEFAULT_MODE, sources } };
});

/** Undefined for an `emptyDir`, which is also what a volume is that says nothing (Kubernetes, `VolumeSource`). */
function sourcesOf(decoded: VolumeFields): readonly (KeyFiles | FieldFiles)[] | undefined {
  const { configMap, secret, downwardAPI, projected } = decoded;
  if (configMap !== undefined) return [keyFilesOf('ConfigMap', configMap, ['configMap'])];
  if (secret !== undefined) {
    const { secretName, ...rest } = secret;
    return [keyFilesOf('Secret', { ...rest, name: secretName }, ['secret'], 'secretName')];
  }
  if (downwardAPI !== undefined) return [fieldFilesOf(downwardAPI.items, ['downwardAPI'])];
  return projected?.sources.flatMap((source, index) => {
    const at = (field: string): Path => ['projected', 'sources', index, field];
    return [
      ...(source.configMap === undefined ? [] : [keyFilesOf('ConfigMap', source.configMap, at('configMap'))]),
      ...(source.secret === undefined ? [] : [keyFilesOf('Secret', source.secret, at('secret'))]),
      ...(source.downwardAPI === undefined
        ? []
        : [fieldFilesOf(source.downwardAPI.items, at('downwardAPI'))]),
    ];
  });
}

function keyFilesOf(
  kind: KeyFiles['kind'],
  { name, items, optional }: NonNullable<ReturnType<typeof named>>,
  at: Path,
  nameField = 'name',
): KeyFiles {
  return { kind, name, ...(items !== undefined && { items }), optional, at, nameAt: [...at, nameField] };
}

function fieldFilesOf(items: readonly NonNullable<ReturnType<typeof fieldItem>>[], at: Path): FieldFiles {
  return {
    kind: 'Pod',
    items: items.map(({ fieldRef, ...item }) => ({ ...item, fieldPath: fieldRef.fieldPath })),
    at,
  };
}

/** Folders of the kernel's own, in which nothing can be put. */
const kernels = ['/proc', '/sys'];

const mountPath: Decoder<string> = refined(nonEmptyText, (decoded, path, report) => {
  if (!decoded.startsWith('/'))
    return report.error(path, `${JSON.stringify(decoded)} is not absolute`, `/${decoded}`);
  const steps = decoded.split('/').filter((step) => step !== '' && step !== '.');
  const whole = `/${steps.join('/')}`;
  if (steps.includes('..') || decoded.includes(':'))
    return report.error(path, `${JSON.stringify(decoded)} must have no ".." and no ":" in it`);
  if (whole === '/') return report.error(path, 'a volume cannot take the place of all there is');
  const kernel = kernels.find((folder) => whole === folder || whole.startsWith(`${folder}/`));
  if (kernel !== undefined) return report.error(path, `${kernel} is the kernel's: nothing can be put there`);
  return whole;
});

export const volumeMount: Decoder<VolumeMount> = object({
  name: required(dnsName('no dots'), 'Of the volume.'),
  mountPath: required(mountPath, 'Where the container finds it; absolute.'),
  subPath: defaulted(
    refined(text, (written, path, report) => (written === '' ? '' : inside(written, path, report))),
    '',
    'A file or folder of the volume; absent: all of it.',
  ),
  readOnly: defaulted(boolean, false, 'The container does not write to it.'),
  subPathExpr: refused('subPath, without variables', 'The same with variables.'),
  mountPropagation: {
    presence: 'dropped',
    dropped: checkPropagation,
    about: '`None` is what there is; anything else is an error.',
  },
  recursiveReadOnly: unsupportedIf('adds', (value) => value !== 'Disabled', '`Disabled` is what there is.'),
});

/** `None` is what there is. */
function checkPropagation(path: Path, report: Report, value: unknown): void {
  const decoded = oneOf(['None', 'HostToContainer', 'Bidirectional'])(value, path, report);
  if (decoded === undefined || decoded === 'None') return;
  report.error(path, `${decoded} is not supported: what a container mounts is its own`, 'None');
}

/** As the API server checks it: names are told apart, and mounts are of volumes that are there. */
export function checkMounts(
  volumes: readonly Volume[],
  containers: readonly { readonly at: Path; readonly volumeMounts: readonly VolumeMount[] }[],
  path: Path,
  report: Report,
): void {
  const names = volumes.map(({ name }) => name);
  for (const [index, name] of names.entries()) {
    if (names.indexOf(name) < index)
      report.error([...path, 'volumes', index, 'name'], `there is another volume called ${name}`);
  }
  for (const { at, volumeMounts } of containers) {
    for (const [index, { name, mountPath }] of volumeMounts.entries()) {
      const here = [...path, ...at, 'volumeMounts', index];
      if (!names.includes(name)) {
        const fix = didYouMean(name, names) ?? `add it under volumes: {name: ${name}, emptyDir: {}}`;
        report.error([...here, 'name'], `the Pod has no volume called ${name}`, fix);
      }
      if (volumeMounts.findIndex((other) => other.mountPath === mountPath) < index)
        report.error([...here, 'mountPath'], `another volume is mounted at ${mountPath}`);
    }
  }
}
