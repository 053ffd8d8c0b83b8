/** A document of any kind as the analysis of sets reads it: its names, and what was written. */
import type { YamlDocument } from '#core/yaml.ts';
import type { Path } from '../decode/decoder.ts';
import { type Kind, kinds, resourceKey } from '../kinds.ts';
import type { Labels, Origin } from '../metadata.ts';
import { asLabels, asObject, asText, type Raw } from './loose.ts';

export interface AnalysisDocument {
  readonly kind: string;
  /** API group without version; empty for Kubernetes' core. */
  readonly group: string;
  readonly name: string;
  /** `default` where none is written; empty for kinds without one. */
  readonly namespace: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly raw: Raw;
  readonly spec: Raw;
  /** `Kind namespace/name`. */
  readonly key: string;
  readonly origin: Origin;
}

/** Kinds of others that have no namespace. */
const ofTheCluster: ReadonlySet<string> = new Set([
  ...['Namespace', 'Node', 'PersistentVolume', 'CustomResourceDefinition', 'GatewayClass'],
  ...['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration', 'ClusterRole', 'ClusterRoleBinding'],
]);

/** The documents that have a kind and a name; items of a `List` one by one. */
export function analysisDocuments(documents: readonly YamlDocument[]): readonly AnalysisDocument[] {
  return documents.flatMap((document) => {
    const { file, start } = document;
    const raw = asObject(document.value);
    if (raw.kind !== 'List' || !Array.isArray(raw.items))
      return read(raw, { file, start, positionOf: (path) => document.positionOf(path) });
    return raw.items.flatMap((item: unknown, index) =>
      read(asObject(item), {
        file,
        start: document.positionOf(['items', index]) ?? start,
        positionOf: (path: Path) => document.positionOf(['items', index, ...path]),
      }),
    );
  });
}

function read(raw: Raw, origin: Origin): AnalysisDocument[] {
  const metadata = asObject(raw.metadata);
  const kind = asText(raw.kind);
  const name = asText(metadata.name);
  if (kind === undefined || name === undefined) return [];
  const apiVersion = asText(raw.apiVersion) ?? '';
  const hasNamespace = !ofTheCluster.has(kind) && !isOfTheMesh(kind);
  const namespace = hasNamespace ? (asText(metadata.namespace) ?? 'default') : '';
  return [
    {
      kind,
      group: apiVersion.slice(0, Math.max(apiVersion.indexOf('/'), 0)),
      name,
      namespace,
      labels: asLabels(metadata.labels),
      annotations: asLabels(metadata.annotations),
      raw,
      spec: asObject(raw.spec),
      key: resourceKey(kind, name, hasNamespace ? namespace : undefined),
      origin,
    },
  ];
}

function isOfTheMesh(kind: string): boolean {
  return Object.hasOwn(kinds, kind) && kinds[kind as Kind].scope === 'mesh';
}
