/** The schemas that Istio publishes of its kinds, as CustomResourceDefinitions. */
import { readFileSync } from 'node:fs';
import { parseYaml } from '#core/yaml.ts';

/** The part of OpenAPI v3 that these use. */
export interface CrdSchema {
  readonly type?: 'string' | 'integer' | 'number' | 'boolean' | 'array' | 'object';
  readonly properties?: Readonly<Record<string, CrdSchema>>;
  readonly additionalProperties?: CrdSchema | boolean;
  readonly items?: CrdSchema;
  readonly required?: readonly string[];
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly pattern?: string;
  readonly default?: unknown;
  /** At most one, or exactly one, of some fields. */
  readonly oneOf?: readonly Choice[];
  readonly allOf?: readonly { readonly oneOf?: readonly Choice[] }[];
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  /** Rules in CEL. */
  readonly 'x-kubernetes-validations'?: readonly { readonly rule: string; readonly message?: string }[];
}

interface Choice {
  readonly required?: readonly string[];
  readonly not?: unknown;
}

export interface Crd {
  readonly kind: string;
  /** `networking.istio.io/v1`: the version that is stored. */
  readonly apiVersion: string;
  readonly spec: CrdSchema;
}

interface Definition {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly kind: string };
    readonly versions: readonly {
      readonly name: string;
      readonly storage: boolean;
      readonly schema: { readonly openAPIV3Schema: CrdSchema };
    }[];
  };
}

/** By kind. */
export function readCrds(file: string): ReadonlyMap<string, Crd> {
  const { documents } = parseYaml(readFileSync(file, 'utf8'), file);
  return new Map(
    documents.map(({ value }) => {
      const { group, names, versions } = (value as Definition).spec;
      const stored = versions.find(({ storage }) => storage)!;
      const spec = stored.schema.openAPIV3Schema.properties?.spec ?? {};
      return [names.kind, { kind: names.kind, apiVersion: `${group}/${stored.name}`, spec }];
    }),
  );
}

/** Fields of which no two may be there. */
export function choicesOf(schema: CrdSchema): readonly (readonly string[])[] {
  const all = [schema.oneOf, ...(schema.allOf ?? []).map(({ oneOf }) => oneOf)];
  return all
    .map((choices) => (choices ?? []).flatMap(({ required = [] }) => required))
    .filter((names) => names.length > 1);
}
