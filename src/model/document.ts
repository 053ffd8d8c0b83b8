/** One YAML document -> the resource it describes, or everything that is wrong with it. */
import { closest, didYouMean, onlyClosest } from '#core/did-you-mean.ts';
import type { Problem } from '#core/problem.ts';
import type { YamlDocument } from '#core/yaml.ts';
import { describeValue, type Path, Report } from './decode/decoder.ts';
import { type Field, object, required } from './decode/object.ts';
import { text } from './decode/scalar.ts';
import type { KindDefinition } from './kind.ts';
import { type Kind, kinds, type Resource, resourceKey } from './kinds.ts';
import { type Metadata, metadata, type Origin, type ResourceBase } from './metadata.ts';
import { lossWithout, unsupportedKindNames } from './unsupported-kinds.ts';

export interface DecodeOptions {
  /** Kinds whose unsupported parts are let pass, even where they close something. */
  readonly allowUnsupported: readonly string[];
  readonly lookInto?: ResourceCheck;
}

/** Looks into what this room leaves as it is, and reports what is wrong with it; for resources that are good so far. */
export type ResourceCheck = (resource: Resource, report: Report) => void;

export interface DecodedDocument {
  /** Absent when there were errors, or the kind is not one that is read. */
  readonly resource?: Resource;
  /** `Kind namespace/name` as far as it could be read. */
  readonly key: string;
  readonly problems: readonly Problem[];
  /** Unsupported parts that somebody let pass and that would have been errors. */
  readonly allowed: readonly Problem[];
  /** The errors concern something that closes: nothing of its set may take effect without it. */
  readonly holds: boolean;
}

/** Whether the kind is one that is read, or known not to be supported. */
export function isKnownKind(kind: string): boolean {
  return Object.hasOwn(kinds, kind) || unsupportedKindNames.includes(kind);
}

/** A document, or an item of a `List`. */
interface Part {
  readonly value: unknown;
  readonly origin: Origin;
  /** Problems found while parsing it. */
  readonly problems: readonly Problem[];
}

export function decodeDocument(document: YamlDocument, options: DecodeOptions): readonly DecodedDocument[] {
  return partsOf(document).map((part) => decodePart(part, options));
}

/** The items of a `List`, as `kubectl get -o yaml` prints it; else the document itself. */
function partsOf(document: YamlDocument): readonly Part[] {
  // Origins stay for as long as resources do: they must not hold on to the raw value.
  const { value, file, start, problems, positionOf } = document;
  const fields = asObject(value);
  if (fields.kind !== 'List' || !Array.isArray(fields.items)) {
    return [{ value, origin: { file, start, positionOf }, problems }];
  }
  return fields.items.map((item: unknown, index) => ({
    value: item,
    origin: {
      file,
      start: positionOf(['items', index]) ?? start,
      positionOf: within(['items', index], positionOf),
    },
    problems: index === 0 ? problems : [],
  }));
}

function within(outer: Path, positionOf: Origin['positionOf']): Origin['positionOf'] {
  return (path) => positionOf([...outer, ...path]);
}

function decodePart({ value, origin, problems }: Part, options: DecodeOptions): DecodedDocument {
  const raw = asObject(value);
  const key = readableKey(raw);
  const kind = typeof raw.kind === 'string' ? raw.kind : '';
  const report = new Report({
    resource: key,
    positionOf: (path) => (path.length === 0 ? origin.start : (origin.positionOf(path) ?? origin.start)),
    allowUnsupported: options.allowUnsupported.includes(kind),
  });
  const definition = readKind(value, raw, report);
  const resource = definition && decodeResource(definition, raw, origin, report);
  if (resource !== undefined && !report.hasErrors) options.lookInto?.(resource, report);
  const broken = report.hasErrors || problems.some((problem) => problem.level === 'error');
  return {
    ...(resource !== undefined && !broken && { resource }),
    key,
    problems: [...problems, ...report.problems].sort(byPlace),
    allowed: report.allowed,
    holds: broken && (report.closesUnsupported || definition === undefined || guards(definition, raw)),
  };
}

function guards({ guards: said = false }: AnyKind, raw: Readonly<Record<string, unknown>>): boolean {
  if (typeof said === 'boolean') return said;
  return said({ kind: raw.kind, metadata: asObject(raw.metadata) });
}

// biome-ignore lint/suspicious/noExplicitAny: the catalogue has one definition for each kind.
type AnyKind = KindDefinition<any>;

/** The definition for the document's kind; undefined, with a problem, if it is not one that is read. */
function readKind(
  value: unknown,
  raw: Readonly<Record<string, unknown>>,
  report: Report,
): AnyKind | undefined {
  const { kind, apiVersion } = raw;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return report.error(
      [],
      `a document is an object with apiVersion, kind and metadata, not ${describeValue(value)}`,
    );
  }
  if (typeof kind !== 'string') return report.error(['kind'], 'this field is required, as a text');
  if (typeof apiVersion !== 'string')
    return report.error(['apiVersion'], 'this field is required, as a text');
  const slash = apiVersion.indexOf('/');
  const group = apiVersion.slice(0, Math.max(slash, 0));
  const version = apiVersion.slice(slash + 1);
  const definition = Object.hasOwn(kinds, kind) ? kinds[kind as Kind] : undefined;
  if (definition?.group === group) {
    if (definition.versions.includes(version)) return definition;
    return reportVersion(definition, apiVersion, version, report);
  }
  const isSlip = definition !== undefined && closest(group, [definition.group]) !== undefined;
  if (isSlip) return reportVersion(definition, apiVersion, version, report);
  if (kind === 'List') return report.error([], 'a List needs a list of items');
  reportUnknownKind(group, kind, apiVersion, raw, report);
  return undefined;
}

/** @returns the definition where it is plain that its version is meant: what else is wrong shows at once */
function reportVersion(
  definition: AnyKind,
  apiVersion: string,
  version: string,
  report: Report,
): AnyKind | undefined {
  const { kind, group, versions } = definition;
  const full = (one: string): string => (group === '' ? one : `${group}/${one}`);
  const meant = versions.includes(version) ? version : onlyClosest(version, versions);
  report.error(
    ['apiVersion'],
    `there is no ${kind} of ${JSON.stringify(apiVersion)}`,
    meant === undefined
      ? `write ${versions.map(full).join(', ')}`
      : `did you mean ${JSON.stringify(full(meant))}?`,
    meant === undefined ? undefined : { value: full(meant) },
  );
  return meant === undefined ? undefined : definition;
}

function reportUnknownKind(
  group: string,
  kind: string,
  apiVersion: string,
  raw: Readonly<Record<string, unknown>>,
  report: Report,
): void {
  const loss = lossWithout(group, kind, raw.spec);
  if (loss === 'closes' || unsupportedKindNames.includes(kind) || Object.hasOwn(kinds, kind)) {
    report.unsupported(['kind'], loss, `the kind ${kind} of ${apiVersion}`);
    return;
  }
  const fix = didYouMean(kind, [...Object.keys(kinds), ...unsupportedKindNames]);
  const meant = onlyClosest(kind, Object.keys(kinds));
  const isCertain = meant !== undefined && kinds[meant as Kind].group === group;
  const repair = isCertain ? { value: meant } : undefined;
  if (fix !== undefined) report.error(['kind'], `there is no kind ${JSON.stringify(kind)}`, fix, repair);
  else report.unsupported(['kind'], 'adds', `the kind ${kind} of ${apiVersion}`);
}

function decodeResource(
  definition: AnyKind,
  raw: Readonly<Record<string, unknown>>,
  origin: Origin,
  report: Report,
): Resource | undefined {
  const beside = definition.fields as Readonly<Record<string, Field<unknown>>>;
  const decode = object({
    apiVersion: required(text),
    kind: required(text),
    metadata: required(metadata),
    ...beside,
  });
  const decoded = decode(raw, [], report) as ResourceBase<Kind, never> | undefined;
  if (decoded === undefined) return undefined;
  for (const [name, check] of Object.entries((definition as AnyKind).annotations ?? {})) {
    const value = decoded.metadata.annotations[name];
    if (value !== undefined) check(value, ['metadata', 'annotations', name], report);
  }
  const resource = { ...decoded, metadata: placed(decoded.metadata, definition), origin } as Resource;
  (definition as AnyKind).check?.(resource, report);
  return resource;
}

function placed(written: Metadata, { scope }: AnyKind): Metadata {
  const { namespace, ...rest } = written;
  return scope === 'mesh' ? rest : { ...rest, namespace: namespace ?? 'default' };
}

function readableKey(raw: Readonly<Record<string, unknown>>): string {
  const { name, namespace } = asObject(raw.metadata);
  const kind = typeof raw.kind === 'string' ? raw.kind : 'document';
  const definition = Object.hasOwn(kinds, kind) ? kinds[kind as Kind] : undefined;
  const where =
    definition?.scope === 'mesh' ? undefined : typeof namespace === 'string' ? namespace : 'default';
  return resourceKey(kind, typeof name === 'string' ? name : '(without a name)', where);
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

function byPlace(a: Problem, b: Problem): number {
  if (a.at === undefined || b.at === undefined) return 0;
  return a.at.line - b.at.line || a.at.column - b.at.column;
}
