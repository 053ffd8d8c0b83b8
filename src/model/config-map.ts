/** Kubernetes `ConfigMap` and `Secret` (v1): settings that containers are given by name. */
import { mapOf } from './decode/collection.ts';
import type { Decoder } from './decode/decoder.ts';
import { defaulted, meaningless } from './decode/object.ts';
import { text } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';
import type { KindDefinition } from './kind.ts';
import { checkMeshDocument, isMeshDocument } from './mesh-document.ts';
import type { ResourceBase } from './metadata.ts';

/** Its fields stand beside `metadata`. */
export interface ConfigMap extends ResourceBase<'ConfigMap', undefined> {
  readonly data: Readonly<Record<string, string>>;
  readonly binaryData: Readonly<Record<string, Uint8Array>>;
}

/** Its values are shown to nobody. */
export interface Secret extends ResourceBase<'Secret', undefined> {
  readonly data: Readonly<Record<string, Uint8Array>>;
  /** Written as text; wins over `data` of the same key. */
  readonly stringData: Readonly<Record<string, string>>;
}

/** As the API server checks the keys of both. */
const key: Decoder<string> = (value, path, report) =>
  typeof value === 'string' && /^[-._a-zA-Z0-9]{1,253}$/.test(value)
    ? value
    : report.error(path, `${JSON.stringify(value)} is not a key (letters, digits, "-", "_" and ".")`);

/** RFC 4648, section 4, with white space between as editors break lines. */
const base64: Decoder<Uint8Array> = refined(
  text,
  (value, path, report) => {
    const written = value.replaceAll(/\s/g, '');
    try {
      const bytes = atob(written);
      return Uint8Array.from(bytes, (char) => char.charCodeAt(0));
    } catch {
      // What was written may be the secret itself.
      return report.error(
        path,
        'is not base64',
        'write the text itself under stringData, or encode it: base64 -w0',
      );
    }
  },
  { format: 'base64' },
);

const fileIsIt = 'What its file says is what it is.';

export const configMapKind: KindDefinition<ConfigMap> = {
  kind: 'ConfigMap',
  group: '',
  versions: ['v1'],
  scope: 'namespace',
  about:
    'Settings that containers are given as variables and files ([workloads.md](../workloads.md)). The one called `istio` in `istio-system` is the [MeshConfig](mesh-config.md).',
  fields: {
    data: defaulted(mapOf(text, key), {}, 'Texts by key.'),
    binaryData: defaulted(mapOf(base64, key), {}, 'Bytes by key, in base64.'),
    immutable: meaningless(fileIsIt),
  },
  check: checkMeshDocument,
  guards: isMeshDocument,
};

export const secretKind: KindDefinition<Secret> = {
  kind: 'Secret',
  group: '',
  versions: ['v1'],
  scope: 'namespace',
  about:
    'Values for containers that are shown to nobody, and certificates with their keys for gateways ([gateways.md](../gateways.md)).',
  fields: {
    data: defaulted(
      mapOf(base64, key),
      {},
      'Bytes by key, in base64. Gateways read `tls.crt`, `tls.key`, `ca.crt` and `ca.crl`, or `cert`, `key` and `cacert`.',
    ),
    stringData: defaulted(mapOf(text, key), {}, 'Texts by key; they win over `data`.'),
    type: meaningless('Keys are looked at by who needs them.'),
    immutable: meaningless(fileIsIt),
  },
};

/** Keys and values of either, as files have them. */
export function bytesOf(source: ConfigMap | Secret): ReadonlyMap<string, Uint8Array> {
  const encoder = new TextEncoder();
  const texts = source.kind === 'ConfigMap' ? source.data : source.stringData;
  const bytes = source.kind === 'ConfigMap' ? source.binaryData : source.data;
  const encoded = Object.entries(texts).map(([name, text]) => [name, encoder.encode(text)] as const);
  return new Map([...Object.entries(bytes), ...encoded]);
}

/** Keys and values of either, as a container's environment has them. */
export function textsOf(source: ConfigMap | Secret): ReadonlyMap<string, string> {
  if (source.kind === 'ConfigMap') return new Map(Object.entries(source.data));
  const decoder = new TextDecoder();
  const plain = Object.entries(source.data).map(([name, bytes]) => [name, decoder.decode(bytes)] as const);
  return new Map([...plain, ...Object.entries(source.stringData)]);
}
