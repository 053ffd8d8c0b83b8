/** Where the environment of a container comes from (Kubernetes, `env` and `envFrom`). */
import { didYouMean } from '#core/did-you-mean.ts';
import type { Decoder } from './decode/decoder.ts';
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
import { refined } from './decode/schema.ts';

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

const fieldPath: Decoder<string> = refined(nonEmptyText, (decoded, path, report) => {
  if (mapFieldOf(decoded) !== undefined) return decoded;
  if ((podFieldPaths as readonly string[]).includes(decoded)) return decoded;
  return report.error(
    path,
    `there is no field ${JSON.stringify(decoded)} here`,
    didYouMean(decoded, podFieldPaths) ??
      `one of ${podFieldPaths.join(', ')}, metadata.labels['KEY'] or metadata.annotations['KEY']`,
  );
});

const keySelector = object({
  name: required(dnsName('dots'), 'Of the same namespace.'),
  key: required(nonEmptyText, 'Whose value it is.'),
  optional: defaulted(boolean, false, 'It may be missing; then so is the variable.'),
});

const source = object(
  {
    fieldRef: optional(
      object({
        apiVersion: meaningless('There is one.'),
        fieldPath: required(
          fieldPath,
          `One of ${podFieldPaths.map((one) => `\`${one}\``).join(', ')}, \`metadata.labels['KEY']\`, \`metadata.annotations['KEY']\`.`,
        ),
      }),
      'Something of the Pod itself.',
    ),
    configMapKeyRef: optional(keySelector, 'A key of a ConfigMap.'),
    secretKeyRef: optional(keySelector, 'A key of a Secret.'),
    resourceFieldRef: unsupported('adds', 'Limits of resources, which there are not.'),
    fileKeyRef: unsupported('adds', 'A variable of a file of a volume.'),
  },
  (value, path, report) =>
    atMostOneOf(value, ['fieldRef', 'configMapKeyRef', 'secretKeyRef'], 'none is fine', path, report),
);

const valueFrom: Decoder<KeyReference | FieldReference | 'nothing'> = refined(source, (decoded) => {
  const { fieldRef, configMapKeyRef, secretKeyRef } = decoded;
  if (fieldRef !== undefined) return { kind: 'Pod', fieldPath: fieldRef.fieldPath };
  if (configMapKeyRef !== undefined) return { kind: 'ConfigMap', ...configMapKeyRef };
  if (secretKeyRef !== undefined) return { kind: 'Secret', ...secretKeyRef };
  return 'nothing';
});

/** What the system can have in an environment. */
const variableName: Decoder<string> = refined(nonEmptyText, (decoded, path, report) =>
  /[=\0]/.test(decoded)
    ? report.error(path, `${JSON.stringify(decoded)} cannot be the name of a variable: it has a "=" in it`)
    : decoded,
);

const variable = object({
  name: required(variableName, 'Anything without `=`.'),
  value: optional(text, 'May name variables before it, as `$(NAME)`.'),
  valueFrom: optional(valueFrom, 'In the place of `value`.'),
});

export const environmentVariable: Decoder<EnvironmentVariable> = refined(
  variable,
  (decoded, path, report) => {
    const { name, value: written = '', valueFrom: from } = decoded;
    if (from !== undefined && written !== '') {
      return report.error([...path, 'valueFrom'], 'only one of value and valueFrom may be set');
    }
    return from === undefined || from === 'nothing'
      ? { name, value: written }
      : { name, value: '', valueFrom: from };
  },
);

const reference = object({
  name: required(dnsName('dots'), 'Of the same namespace.'),
  optional: defaulted(boolean, false, 'It may be missing.'),
});

const sources = object(
  {
    prefix: defaulted(text, '', 'Put before each name.'),
    configMapRef: optional(reference, 'All its keys.'),
    secretRef: optional(reference, 'All its keys.'),
  },
  (value, path, report) => atMostOneOf(value, ['configMapRef', 'secretRef'], 'one is needed', path, report),
);

export const environmentSource: Decoder<EnvironmentSource> = refined(sources, (decoded) => {
  const { prefix, configMapRef, secretRef } = decoded;
  if (configMapRef !== undefined) return { kind: 'ConfigMap', prefix, ...configMapRef };
  return secretRef === undefined ? undefined : { kind: 'Secret', prefix, ...secretRef };
});
