/**
 * Pages of the reference, a kind each, made from what the decoders take: `npm run reference` writes them. A test compares
 * those that are committed with what this makes.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { objectSchema, type Shape } from '#model/decode/object.ts';
import { type FieldSchema, objectSchemaOf, type Schema, schemaOf } from '#model/decode/schema.ts';
import type { KindDefinition } from '#model/kind.ts';
import { type Kind, kinds, type Resource } from '#model/kinds.ts';
import { meshConfig } from '#model/mesh-config.ts';
import { istioName, istioNamespace } from '#model/mesh-document.ts';
import { analysisPage } from './analysis-page.ts';

const root = resolve(import.meta.dirname, '..');

export interface ReferencePage {
  /** Below the project's folder. */
  readonly file: string;
  readonly text: string;
}

/** Of every kind, and what there is beside them. */
export function referencePages(): readonly ReferencePage[] {
  const documented = Object.keys(kinds) as Kind[];
  return [
    ...documented.map((kind) => ({
      file: fileOf(kind),
      text: pageOf(kinds[kind] as KindDefinition<Resource>),
    })),
    { file: 'docs/reference/mesh-config.md', text: meshConfigPage() },
    { file: 'docs/reference/README.md', text: indexOf(documented) },
    { file: 'docs/reference/analysis.md', text: analysisPage() },
  ];
}

const fileOf = (kind: string): string =>
  `docs/reference/${kind.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '-').toLowerCase()}.md`;

function indexOf(documented: readonly Kind[]): string {
  const lines = documented.map((kind) => `- [${kind}](${fileOf(kind).split('/').at(-1)})`);
  return [
    '# Reference',
    '',
    'What each kind takes, made from the decoders by `npm run reference`; [what a proxy answers](errors.md) when it cannot',
    'forward; and [the codes](analysis.md) of `heddle analyze`.',
    '',
    ...lines,
    '- [MeshConfig](mesh-config.md), with `defaultConfig` and the annotation `proxy.istio.io/config`',
    '',
  ].join('\n');
}

function pageOf({ kind, group, versions, scope, about, fields }: KindDefinition<Resource>): string {
  const [version, ...others] = versions;
  const api = group === '' ? version : `${group}/${version}`;
  const same =
    others.length === 0 ? '' : ` (${others.map((other) => `\`${other}\``).join(' and ')} mean the same)`;
  const told = new Map(kind === 'Pod' ? [] : ofPods);
  const rows = Object.entries(objectSchema(fields as Shape).fields).flatMap(([name, field]) => {
    if (name === 'spec') return schemaRows(field.schema, name, told);
    return name === 'status' && field.support !== 'taken' ? [] : fieldRows(field, name, told);
  });
  return [
    `# ${kind}`,
    '',
    `\`${api}\`${same}, ${scope === 'mesh' ? 'one for the mesh' : 'of a namespace'}. ${about}`,
    '',
    ...examplesOf(kind),
    ...(rows.length === 0 ? ['It has no fields beside `metadata`.'] : ['## Fields', '', ...heads, ...rows]),
    '',
  ].join('\n');
}

const heads = ['| field | what may be written | what it does |', '|---|---|---|'];

/** Told on the page of Pods, for all that make some. */
const ofPods = [[schemaOf(kinds.Pod.fields.spec!.decode!), '`spec` of a [Pod](pod.md)']] as const;

/** No kind of its own: the text of a key of a ConfigMap. */
function meshConfigPage(): string {
  const rows = schemaRows(schemaOf(meshConfig), '', new Map());
  return [
    '# MeshConfig',
    '',
    `What holds for a mesh: the YAML under the key \`mesh\` of the ConfigMap \`${istioName}\` in \`${istioNamespace}\`.`,
    'What it means here: [mesh configuration](../mesh-config.md).',
    '',
    ...examplesOf('ConfigMap'),
    ...heads,
    ...rows.map((row) => row.replace('`.', '`')),
    '',
  ].join('\n');
}

/** Manifests of the examples in which there is one. */
function examplesOf(kind: string): readonly string[] {
  const files = globSync('examples/**/*.{yaml,yml}', { cwd: root })
    .filter((file) => new RegExp(`^kind: ${kind}$`, 'm').test(readFileSync(join(root, file), 'utf8')))
    .sort();
  if (files.length === 0) return [];
  return [`Examples: ${files.map((file) => `[${file}](../../${file})`).join(', ')}.`, ''];
}

/** @param seen where a schema was told already, as one that stands in several places is told once */
function schemaRows(schema: Schema, path: string, seen: Map<Schema, string>): string[] {
  if (schema.type === 'list') return schemaRows(schema.items, `${path}[]`, seen);
  if (schema.type === 'map') return schemaRows(schema.values, `${path}.*`, seen);
  const { fields } = objectSchemaOf(schema);
  seen.set(schema, `\`${path}\``);
  return Object.entries(fields).flatMap(([name, field]) => fieldRows(field, `${path}.${name}`, seen));
}

function fieldRows(field: FieldSchema, path: string, seen: Map<Schema, string>): string[] {
  const inner = innerOf(field.schema);
  const told = Object.keys(objectSchemaOf(inner).fields).length > 0 ? seen.get(inner) : undefined;
  const does = [
    field.about ?? '',
    lackOf(field),
    told === undefined ? '' : `The same fields as ${told}.`,
  ].filter((text) => text !== '');
  const row = `| \`${path}\` | ${typeOf(field)} | ${does.join(' ')} |`;
  return told === undefined ? [row, ...schemaRows(field.schema, path, seen)] : [row];
}

function innerOf(schema: Schema): Schema {
  if (schema.type === 'list') return innerOf(schema.items);
  return schema.type === 'map' ? innerOf(schema.values) : schema;
}

function lackOf({ support }: FieldSchema): string {
  switch (support) {
    case 'taken':
      return '';
    case 'meaningless':
      return 'No effect here.';
    case 'adds':
      return '**Not supported yet**: a warning.';
    case 'closes':
      return '**Not supported yet**: an error, as the mesh would be less strict without it.';
    case 'refused':
      return '**Not supported yet**: an error.';
  }
}

function typeOf({ schema, presence, fallback, support }: FieldSchema): string {
  const parts = support === 'taken' ? [wordsOf(schema)] : [];
  if (presence === 'required') parts.push('**required**');
  if (fallback !== undefined && isTold(fallback)) parts.push(`else \`${writtenAs(fallback, schema)}\``);
  return parts.join('; ');
}

/** Durations are numbers once they are decoded. */
function writtenAs(fallback: unknown, schema: Schema): string {
  const isDuration = schema.type === 'string' && schema.format === 'duration';
  return isDuration && typeof fallback === 'number' ? `${fallback / 1000}s` : JSON.stringify(fallback);
}

/** An empty text, list or object goes without saying. */
const isTold = (fallback: unknown): boolean =>
  fallback !== '' && (typeof fallback !== 'object' || (Array.isArray(fallback) && fallback.length > 0));

function wordsOf(schema: Schema): string {
  switch (schema.type) {
    case 'list':
      return `list${span(schema.minItems, schema.maxItems)} of ${wordsOf(schema.items)}`;
    case 'map':
      return `map${span(undefined, schema.maxProperties)} to ${wordsOf(schema.values)}`;
    case 'integer':
    case 'number':
      return `${schema.type === 'integer' ? 'whole number' : 'number'}${rangeOf(schema.minimum, schema.maximum)}`;
    case 'string':
      if (schema.words !== undefined) return schema.words.map((word) => `\`${word}\``).join(', ');
      return `${schema.format ?? 'text'}${schema.maxLength === undefined ? '' : ` up to ${schema.maxLength} characters`}`;
    case 'boolean':
      return '`true`, `false`';
    case 'any':
      return 'see what it does';
    default:
      return schema.type;
  }
}

function span(least: number | undefined, most: number | undefined): string {
  if (most !== undefined) return ` (${least === undefined ? 'up to' : `${least} to`} ${most})`;
  return least === undefined ? '' : ` (at least ${least})`;
}

const wide = 2 ** 31 - 1;

function rangeOf(minimum: number | undefined, maximum: number | undefined): string {
  if (maximum !== undefined && maximum < wide) return ` from ${minimum} to ${maximum}`;
  return minimum === undefined || minimum === 0 ? '' : ` from ${minimum}`;
}

if (import.meta.main) for (const { file, text } of referencePages()) writeFileSync(join(root, file), text);
