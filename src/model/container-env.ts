/** Where the environment of a container comes from (Kubernetes, `env` and `envFrom`). */
import { didYouMean } from '#core/did-you-mean.ts';
import type { Decoder, Path, Report } from './decode/decoder.ts';
import {
  atMostOneOf,
  defaulted,
  meaningless,
  object,
  optional,
  required,
  unsupported,
} from './decode/object.ts';
import { boolean, dnsName, nonEmptyText, text } from './decode/scalar.ts';

/** A key of a ConfigMap or of a Secret of the same namespace. */
export interface KeyReference {
  readonly kind: 'ConfigMap' | 'Secret';
  readonly name: string;
  readonly key: string;
  /** Whether it may be missing; then the variable is. */
  readonly optional: boolean;
}

/** Of the Pod that the container is in. */
export interface FieldReference {
  readonly kind: 'Pod';
  /** Such as `status.podIP` or `metadata.labels['app']`. */
  readonly fieldPath: string;
}

export interface EnvironmentVariable {
  readonly name: string;
  /** May name variables before it, as `$(NAME)`. */
  readonly value: string;
  /** In the place of `value`. */
  readonly valueFrom?: KeyReference | FieldReference;
}

/** All of a ConfigMap or Secret. */
export interface EnvironmentSource {
  readonly kind: 'ConfigMap' | 'Secret';
  readonly name: string;
  /** Put before each name. */
  readonly prefix: string;
  readonly optional: boolean;
}

/** Fields of a Pod that there are on one machine; besides those of one label or annotation. */
export const podFieldPaths = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
] as const;

/** `metadata.labels['app']`: the map and the key in it; undefined for any other path. */
export function mapFieldOf(
  fieldPath: string,
): { readonly map: 'labels' | 'annotations'; readonly key: string } | undefined {
  const match = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(fieldPath);
  return match === null ? undefined : { map: match[1] as 'labels' | 'annotations', key: match[2]! };
}

const fieldPath: Decoder<string> = (value, path, report) => {
  const decoded = nonEmptyText(value, path, report);
  if (decoded === undefined || mapFieldOf(decoded) !== undefined) return decoded;
  if ((podFieldPaths as readonly string[]).includes(decoded)) return decoded;
  return report.error(
    path,
    `there is no field ${JSON.stringify(decoded)} here`,
    didYouMean(decoded, podFieldPaths) ??
      `one of ${podFieldPaths.join(', ')}, metadata.labels['KEY'] or metadata.annotations['KEY']`,
  );
};

const keySelector = object({
  name: required(dnsName('dots')),
  key: required(nonEmptyText),
  optional: defaulted(boolean, false),
});

const source = object(
  {
    fieldRef: optional(object({ apiVersion: meaningless(), fieldPath: required(fieldPath) })),
    configMapKeyRef: optional(keySelector),
    secretKeyRef: optional(keySelector),
    resourceFieldRef: unsupported('adds'),
    fileKeyRef: unsupported('adds'),
  },
  (value, path, report) =>
    atMostOneOf(value, ['fieldRef', 'configMapKeyRef', 'secretKeyRef'], 'none is fine', path, report),
);

const valueFrom: Decoder<KeyReference | FieldReference | 'nothing'> = (value, path, report) => {
  const decoded = source(value, path, report);
  if (decoded === undefined) return undefined;
  const { fieldRef, configMapKeyRef, secretKeyRef } = decoded;
  if (fieldRef !== undefined) return { kind: 'Pod', fieldPath: fieldRef.fieldPath };
  if (configMapKeyRef !== undefined) return { kind: 'ConfigMap', ...configMapKeyRef };
  if (secretKeyRef !== undefined) return { kind: 'Secret', ...secretKeyRef };
  return 'nothing';
};

const variable = object({
  name: required(variableName),
  value: optional(text),
  valueFrom: optional(valueFrom),
});

export const environmentVariable: Decoder<EnvironmentVariable> = (value, path, report) => {
  const decoded = variable(value, path, report);
  if (decoded === undefined) return undefined;
  const { name, value: written = '', valueFrom: from } = decoded;
  if (from !== undefined && written !== '') {
    return report.error([...path, 'valueFrom'], 'only one of value and valueFrom may be set');
  }
  return from === undefined || from === 'nothing'
    ? { name, value: written }
    : { name, value: '', valueFrom: from };
};

/** What the system can have in an environment. */
function variableName(value: unknown, path: Path, report: Report): string | undefined {
  const decoded = nonEmptyText(value, path, report);
  if (decoded === undefined || !/[=\0]/.test(decoded)) return decoded;
  return report.error(
    path,
    `${JSON.stringify(decoded)} cannot be the name of a variable: it has a "=" in it`,
  );
}

const reference = object({ name: required(dnsName('dots')), optional: defaulted(boolean, false) });

const sources = object(
  {
    prefix: defaulted(text, ''),
    configMapRef: optional(reference),
    secretRef: optional(reference),
  },
  (value, path, report) => atMostOneOf(value, ['configMapRef', 'secretRef'], 'one is needed', path, report),
);

export const environmentSource: Decoder<EnvironmentSource> = (value, path, report) => {
  const decoded = sources(value, path, report);
  if (decoded === undefined) return undefined;
  const { prefix, configMapRef, secretRef } = decoded;
  if (configMapRef !== undefined) return { kind: 'ConfigMap', prefix, ...configMapRef };
  return secretRef === undefined ? undefined : { kind: 'Secret', prefix, ...secretRef };
};
