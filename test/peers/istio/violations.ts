/** Values that break one rule each of a schema that Istio publishes. */
import type { Path } from '#model/decode/decoder.ts';
import { type CrdSchema, choicesOf } from './crd.ts';

export interface Violation {
  /** Of the schema, with one thing wrong. */
  readonly value: unknown;
  /** The same with nothing wrong there. */
  readonly sound: unknown;
  /** To what is wrong. */
  readonly path: Path;
  readonly rule: string;
}

/** Values that break a rule in CEL, by what it says when it is broken. */
const broken: Readonly<Record<string, readonly unknown[]>> = {
  'must be a valid duration greater than 1ms': ['0.5ms', 'soon'],
  'wildcard not allowed in label key match': [{ 'a*': 'b' }],
  'key must not be empty': [{ '': 'b' }],
  'wildcard not allowed in label value match': ['a*'],
  'wildcard is not supported in selector': ['a*'],
  'CIDR addresses are allowed only for NONE/STATIC resolution types': [
    {
      hosts: ['a.test'],
      addresses: ['10.0.0.0/8'],
      resolution: 'DNS',
      ports: [{ number: 80, name: 'http' }],
    },
  ],
  'NONE mode cannot set endpoints': [
    { hosts: ['a.test'], resolution: 'NONE', endpoints: [{ address: '192.0.2.1' }] },
  ],
  'DNS_ROUND_ROBIN mode cannot have multiple endpoints': [
    {
      hosts: ['a.test'],
      resolution: 'DNS_ROUND_ROBIN',
      ports: [{ number: 80, name: 'http' }],
      endpoints: [{ address: 'a.test' }, { address: 'b.test' }],
    },
  ],
  'Address is required': [{}],
  'UDS may not include ports': [{ address: 'unix:///a', ports: { http: 80 } }],
  'UDS must be an absolute path or abstract socket': ['unix://a'],
  'UDS may not be a dir': ['unix:///a/'],
  'port name must be valid': [{ 'a b': 80 }],
  'hostname cannot be wildcard': ['*'],
  'port number cannot be duplicated': [
    [
      { number: 80, name: 'a' },
      { number: 80, name: 'b' },
    ],
  ],
  'scheme must be one of [HTTP, HTTPS]': ['FTP'],
  'only support waypointMatch when context is WAYPOINT': [{ context: 'WAYPOINT' }, { waypoint: {} }],
  'cross namespace referencing is not currently supported': ['other'],
  'portLevelMtls requires selector': [{ portLevelMtls: { 80: { mode: 'STRICT' } } }],
};

/** Each rule of the schema and of what it is made of, broken. Throws for a rule it cannot break. */
export function* violations(schema: CrdSchema): Generator<Violation> {
  const sound = soundValue(schema);
  const at = (value: unknown, rule: string): Violation => ({ value, sound, path: [], rule });
  for (const [value, rule] of [
    ...typeViolations(schema),
    ...limitViolations(schema),
    ...celViolations(schema),
  ])
    yield at(value, rule);
  const { properties = {}, required = [], additionalProperties, items } = schema;
  for (const name of required) {
    const { [name]: _, ...rest } = sound as Readonly<Record<string, unknown>>;
    yield { value: rest, sound, path: [name], rule: `${name} is required` };
  }
  for (const names of choicesOf(schema)) {
    for (const [i, one] of names.entries()) {
      for (const other of names.slice(i + 1)) {
        const both = { [one]: soundValue(properties[one]!), [other]: soundValue(properties[other]!) };
        yield at({ ...(sound as object), ...both }, `only one of ${one} and ${other}`);
      }
    }
  }
  for (const [name, field] of Object.entries(properties)) {
    for (const inner of violations(field))
      yield inside(inner, name, (value) => ({ ...(sound as object), [name]: value }));
  }
  if (typeof additionalProperties === 'object')
    for (const inner of violations(additionalProperties)) yield inside(inner, 'a', (value) => ({ a: value }));
  if (items !== undefined) for (const inner of violations(items)) yield inside(inner, 0, (value) => [value]);
}

function inside(inner: Violation, step: string | number, around: (value: unknown) => unknown): Violation {
  const { value, sound, path, rule } = inner;
  return { value: around(value), sound: around(sound), path: [step, ...path], rule };
}

/** The smallest value that the schema allows. */
function soundValue(schema: CrdSchema): unknown {
  const rules = (schema['x-kubernetes-validations'] ?? []).map(({ rule }) => rule);
  switch (schema.type) {
    case 'object':
      return Object.fromEntries(
        (schema.required ?? []).map((name) => [name, soundValue(schema.properties![name]!)]),
      );
    case 'array':
      return (schema.minItems ?? 0) > 0 ? [soundValue(schema.items ?? {})] : [];
    case 'integer':
    case 'number':
      return rules.some((rule) => rule.startsWith('0 < self')) ? 1 : (schema.minimum ?? 1);
    case 'boolean':
      return true;
    default:
      if (schema.enum !== undefined) return schema.enum.at(-1);
      return rules.some((rule) => rule.startsWith('duration(')) ? '1s' : 'a';
  }
}

function* typeViolations({ type }: CrdSchema): Generator<[value: unknown, rule: string]> {
  if (type === undefined) return;
  yield [type === 'string' ? { a: 1 } : 'x y', `is of type ${type}`];
}

function* limitViolations(schema: CrdSchema): Generator<[value: unknown, rule: string]> {
  const { minimum, maximum, minLength, maxLength, minItems, maxItems, maxProperties, minProperties } = schema;
  if (schema.enum !== undefined) yield ['NO_SUCH_WORD', `one of ${schema.enum.join(', ')}`];
  if (minimum !== undefined) yield [minimum - 1, `at least ${minimum}`];
  if (maximum !== undefined) yield [maximum + 1, `at most ${maximum}`];
  if (minLength !== undefined) yield ['', `at least ${minLength} characters`];
  if (maxLength !== undefined) yield ['a'.repeat(maxLength + 1), `at most ${maxLength} characters`];
  if (minItems !== undefined) yield [[], `at least ${minItems} items`];
  if (maxItems !== undefined)
    yield [
      Array.from({ length: maxItems + 1 }, () => soundValue(schema.items!)),
      `at most ${maxItems} items`,
    ];
  if (minProperties !== undefined) yield [{}, `at least ${minProperties} entries`];
  if (maxProperties !== undefined) {
    const value = soundValue(schema.additionalProperties as CrdSchema);
    const entries = Array.from({ length: maxProperties + 1 }, (_, i) => [`a${i}`, value]);
    yield [Object.fromEntries(entries), `at most ${maxProperties} entries`];
  }
  if (schema.pattern !== undefined) yield ['a b', `of the form ${schema.pattern}`];
}

function* celViolations(schema: CrdSchema): Generator<[value: unknown, rule: string]> {
  for (const { rule, message = rule } of schema['x-kubernetes-validations'] ?? []) {
    for (const value of brokenBy(rule, message, schema)) yield [value, message];
  }
}

function brokenBy(rule: string, message: string, schema: CrdSchema): readonly unknown[] {
  if (message === 'port must be between 1-65535') return schema.type === 'object' ? [{ 0: {} }] : [0, 65536];
  if (message.startsWith('only one of ')) {
    const names = [...rule.matchAll(/has\(self\.(\w+)\)/g)].map(([, name]) => name!);
    return [Object.fromEntries(names.map((name) => [name, soundValue(schema.properties![name]!)]))];
  }
  const values = broken[message];
  if (values === undefined) throw new Error(`no value that breaks the rule: ${message}`);
  return values;
}
