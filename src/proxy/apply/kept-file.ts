/**
 * The file a proxy keeps its last good configuration in: a line that says whose it is and what its bytes come to,
 * and one message a resource. It holds what secrets hold: only its owner may read it, or it is not believed.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { create, fromBinary } from '@bufbuild/protobuf';
import { sizeDelimitedEncode, sizeDelimitedPeek } from '@bufbuild/protobuf/wire';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import type { Steps } from '#core/time-slice.ts';
import {
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
} from '#xds/gen/envoy/service/discovery/v3/discovery_pb.js';
import { kindOfTypeUrl, type ResourceKind, resourceTypes } from '#xds/resource-type.ts';

export interface KeptResource {
  readonly kind: ResourceKind;
  readonly name: string;
  readonly version: string;
  /** Id of its source; '' is the ADS stream. */
  readonly sourceId: string;
  readonly encoded: Uint8Array;
}

interface Header {
  readonly format: number;
  /** Id of the node it was said to. */
  readonly node: string;
  readonly savedAt: string;
  readonly sha256: string;
}

const FORMAT = 1;
/** Of others than the owner. */
const FOREIGN_ACCESS = 0o077;

export type ReadKept =
  | { readonly ok: true; readonly resources: readonly KeptResource[]; readonly savedAt: string }
  | { readonly ok: false; readonly reason: string };

/** Undefined where there is none. */
export function readKeptFile(path: string, node: string): ReadKept | undefined {
  let bytes: Buffer;
  try {
    if ((statSync(path).mode & FOREIGN_ACCESS) !== 0)
      return { ok: false, reason: 'others than its owner have access to it: its mode must be 0600' };
    bytes = readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    return { ok: false, reason: (error as Error).message };
  }
  const end = bytes.indexOf('\n');
  const header = end === -1 ? undefined : headerOf(bytes.subarray(0, end).toString());
  if (header === undefined) return { ok: false, reason: 'it does not begin as such a file does' };
  if (header.format !== FORMAT) return { ok: false, reason: `it has format ${header.format}, not ${FORMAT}` };
  if (header.node !== node) return { ok: false, reason: `it is that of node "${header.node}"` };
  const body = bytes.subarray(end + 1);
  if (createHash('sha256').update(body).digest('hex') !== header.sha256)
    return { ok: false, reason: 'it is not whole, or was changed' };
  return { ok: true, resources: [...resourcesOf(body)], savedAt: header.savedAt };
}

function headerOf(line: string): Header | undefined {
  try {
    const header = JSON.parse(line) as Partial<Header> | null;
    return typeof header?.sha256 === 'string' ? (header as Header) : undefined;
  } catch {
    return undefined;
  }
}

function* resourcesOf(body: Uint8Array): Generator<KeptResource> {
  for (let rest = body; rest.length > 0; ) {
    const peeked = sizeDelimitedPeek(rest);
    if (!peeked.eof) {
      const { offset, size } = peeked;
      const record = fromBinary(DeltaDiscoveryResponseSchema, rest.subarray(offset, offset + size));
      const kind = kindOfTypeUrl(record.typeUrl);
      const [resource] = record.resources;
      if (kind !== undefined && resource?.resource !== undefined) {
        const { name, version } = resource;
        yield { kind, name, version, sourceId: record.nonce, encoded: resource.resource.value };
      }
      rest = rest.subarray(offset + size);
    } else return;
  }
}

/** Takes the place of the file before in one move. @throws the system's error */
export function* writeKeptFile(path: string, node: string, resources: Iterable<KeptResource>): Steps<void> {
  const hash = createHash('sha256');
  const chunks: Uint8Array[] = [];
  for (const resource of resources) {
    const chunk = sizeDelimitedEncode(DeltaDiscoveryResponseSchema, recordOf(resource));
    hash.update(chunk);
    chunks.push(chunk);
    yield;
  }
  const savedAt = new Date().toISOString();
  const header: Header = { format: FORMAT, node, savedAt, sha256: hash.digest('hex') };
  const unfinished = `${path}.new`;
  // What a crash has left may have another mode.
  rmSync(unfinished, { force: true });
  const file = openSync(unfinished, 'wx', 0o600);
  try {
    writeSync(file, `${JSON.stringify(header)}\n`);
    for (const chunk of chunks) {
      writeWhole(file, chunk);
      yield;
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(unfinished, path);
}

function writeWhole(file: number, chunk: Uint8Array): void {
  for (let written = 0; written < chunk.length; ) written += writeSync(file, chunk, written);
}

function recordOf({ kind, name, version, sourceId, encoded }: KeptResource): DeltaDiscoveryResponse {
  const { typeUrl } = resourceTypes[kind];
  const resource = create(AnySchema, { typeUrl, value: encoded });
  // The id of the source stands where a response has its nonce.
  return create(DeltaDiscoveryResponseSchema, {
    typeUrl,
    nonce: sourceId,
    resources: [{ name, version, resource }],
  });
}
