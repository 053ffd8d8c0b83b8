/** What differs between a schema that Istio publishes and what a decoder of ours takes. */
import type { FieldSchema, Schema } from '#model/decode/schema.ts';
import type { CrdSchema } from './crd.ts';

/** `spec.servers[].port.number: …`, a line for each difference. */
export function schemaDifferences(theirs: CrdSchema, ours: Schema, path: string): string[] {
  if (theirs['x-kubernetes-preserve-unknown-fields'] === true) return [];
  if (ours.type === 'any') return [`${path}: what it takes is not told`];
  switch (theirs.type) {
    case 'array':
      if (ours.type !== 'list') return [typeDifference(path, 'a list', ours)];
      return [
        ...limits(path, [
          ['minItems', theirs.minItems, ours.minItems],
          ['maxItems', theirs.maxItems, ours.maxItems],
        ]),
        ...schemaDifferences(theirs.items ?? {}, ours.items, `${path}[]`),
      ];
    case 'object':
      return objectDifferences(theirs, ours, path);
    case 'boolean':
      return ours.type === 'boolean' ? [] : [typeDifference(path, 'a boolean', ours)];
    case 'integer':
    case 'number':
      return numberDifferences(theirs, ours, path);
    default:
      return stringDifferences(theirs, ours, path);
  }
}

function objectDifferences(theirs: CrdSchema, ours: Schema, path: string): string[] {
  if (typeof theirs.additionalProperties === 'object') {
    if (ours.type !== 'map') return [typeDifference(path, 'a map', ours)];
    return [
      ...limits(path, [['maxProperties', theirs.maxProperties, ours.maxProperties]]),
      ...schemaDifferences(theirs.additionalProperties, ours.values, `${path}{}`),
    ];
  }
  if (ours.type !== 'object') return [typeDifference(path, 'an object', ours)];
  const names = new Set([...Object.keys(theirs.properties ?? {}), ...Object.keys(ours.fields)]);
  return [...names].flatMap((name) => {
    const [theirField, ourField] = [theirs.properties?.[name], ours.fields[name]];
    if (ourField === undefined) return [`${path}.${name}: is not known here`];
    if (theirField === undefined) return [`${path}.${name}: is not known there`];
    const isRequired = theirs.required?.includes(name) === true;
    return fieldDifferences(theirField, ourField, isRequired, `${path}.${name}`);
  });
}

function fieldDifferences(theirs: CrdSchema, ours: FieldSchema, isRequired: boolean, path: string): string[] {
  if (ours.support !== 'taken') return [`${path}: ${ours.support}`];
  // Where an empty text is none, it need not be refused.
  const schema = isRequired ? ours.schema : withoutLeast(ours.schema);
  const differences = schemaDifferences(theirs, schema, path);
  if (isRequired !== (ours.presence === 'required'))
    differences.push(`${path}: ${isRequired ? 'is required there' : 'is required here'}`);
  if (theirs.default !== undefined && JSON.stringify(theirs.default) !== JSON.stringify(ours.fallback))
    differences.push(`${path}: is ${JSON.stringify(theirs.default)} by default there`);
  return differences;
}

function withoutLeast(schema: Schema): Schema {
  if (schema.type !== 'string') return schema;
  const { minLength: _, ...rest } = schema;
  return rest;
}

/** A rule in CEL that says what `minimum` and `maximum` would. */
const portRule = '0 < self && self <= 65535';

function numberDifferences(theirs: CrdSchema, ours: Schema, path: string): string[] {
  if ((ours.type !== 'integer' && ours.type !== 'number') || ours.type !== theirs.type)
    return [typeDifference(path, `of type ${theirs.type}`, ours)];
  const isPort = theirs['x-kubernetes-validations']?.some(({ rule }) => rule === portRule) === true;
  return limits(path, [
    ['minimum', isPort ? 1 : theirs.minimum, ours.minimum],
    ['maximum', isPort ? 65535 : theirs.maximum, ours.maximum],
  ]);
}

function stringDifferences(theirs: CrdSchema, ours: Schema, path: string): string[] {
  if (ours.type !== 'string') return [typeDifference(path, 'a text', ours)];
  const differences = limits(path, [
    ['minLength', theirs.minLength, ours.minLength],
    ['maxLength', theirs.maxLength, ours.maxLength],
  ]);
  const [theirWords = [], ourWords = []] = [theirs.enum, ours.words];
  for (const word of theirWords)
    if (!ourWords.includes(word)) differences.push(`${path}: ${word} is no word here`);
  for (const word of ourWords)
    if (!theirWords.includes(word)) differences.push(`${path}: ${word} is no word there`);
  return differences;
}

function limits(
  path: string,
  all: readonly (readonly [name: string, theirs: number | undefined, ours: number | undefined])[],
): string[] {
  return all
    .filter(([, theirs, ours]) => theirs !== ours)
    .map(
      ([name, theirs, ours]) =>
        `${path}: ${name} is ${theirs ?? 'absent'} there and ${ours ?? 'absent'} here`,
    );
}

const typeDifference = (path: string, theirs: string, ours: Schema): string =>
  `${path}: is ${theirs} there and of type ${ours.type} here`;
