/**
 * A workload as Istio's proxies tell it to each other: header `x-envoy-peer-metadata` is the base64
 * of a protobuf Struct with the names of Istio's node metadata.
 */
import { create, fromBinary, type JsonObject, type JsonValue, toBinary } from '@bufbuild/protobuf';
import { base64Decode, base64Encode } from '@bufbuild/protobuf/wire';
import { StructSchema, type Value, ValueSchema } from '@bufbuild/protobuf/wkt';
import { type Workload, WorkloadSchema } from '#xds/gen/heddle/workload/v1/workload_pb.js';

const CANONICAL_NAME = 'service.istio.io/canonical-name';
const CANONICAL_REVISION = 'service.istio.io/canonical-revision';

/** Longest header text that is read: a peer must not make us decode more. */
const MAX_TEXT_BYTES = 8 * 1024;

export function encodeWorkload(workload: Workload): string {
  const { name, namespace, canonicalName, canonicalRevision, cluster, app, version, instance } = workload;
  const labels = { app, version, [CANONICAL_NAME]: canonicalName, [CANONICAL_REVISION]: canonicalRevision };
  const fields: JsonObject = {
    NAME: instance,
    NAMESPACE: namespace,
    WORKLOAD_NAME: name,
    CLUSTER_ID: cluster,
    LABELS: withoutEmpty(labels),
  };
  return base64Encode(
    toBinary(StructSchema, create(StructSchema, { fields: valuesOf(withoutEmpty(fields)) })),
  );
}

/** Undefined where the text is not such a Struct. */
export function decodeWorkload(text: string): Workload | undefined {
  if (text.length > MAX_TEXT_BYTES) return undefined;
  try {
    const { fields } = fromBinary(StructSchema, base64Decode(text));
    const labels = fields.LABELS?.kind.case === 'structValue' ? fields.LABELS.kind.value.fields : {};
    const name = textIn(fields, 'WORKLOAD_NAME');
    const app = textIn(labels, 'app');
    const version = textIn(labels, 'version');
    return create(WorkloadSchema, {
      name,
      namespace: textIn(fields, 'NAMESPACE'),
      canonicalName: textIn(labels, CANONICAL_NAME) || app || name,
      canonicalRevision: textIn(labels, CANONICAL_REVISION) || version || 'latest',
      cluster: textIn(fields, 'CLUSTER_ID'),
      app,
      version,
      instance: textIn(fields, 'NAME'),
    });
  } catch {
    return undefined;
  }
}

/**
 * `name;namespace;canonical-name;canonical-revision;cluster`, as the control plane writes it into the
 * metadata of an endpoint (`istio.workload`). Undefined where it is not that.
 */
export function parseEndpointWorkload(text: string): Workload | undefined {
  const parts = text.split(';');
  if (parts.length < 4) return undefined;
  const [name = '', namespace = '', canonicalName = '', canonicalRevision = '', cluster = ''] = parts;
  return create(WorkloadSchema, {
    name,
    namespace,
    canonicalName,
    canonicalRevision,
    cluster,
    // The labels app and version are not told: the canonical ones are made of them.
    app: canonicalName,
    version: canonicalRevision,
  });
}

function withoutEmpty(fields: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''));
}

function valuesOf(fields: JsonObject): Record<string, Value> {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, valueFrom(value)]));
}

function valueFrom(value: JsonValue): Value {
  if (typeof value === 'string') return create(ValueSchema, { kind: { case: 'stringValue', value } });
  const fields = valuesOf(value as JsonObject);
  return create(ValueSchema, { kind: { case: 'structValue', value: create(StructSchema, { fields }) } });
}

function textIn(fields: Readonly<Record<string, Value>>, name: string): string {
  const kind = Object.hasOwn(fields, name) ? fields[name]?.kind : undefined;
  return kind?.case === 'stringValue' ? kind.value : '';
}
