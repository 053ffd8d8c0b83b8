/** A sidecar as far as the control plane can tell: one delta ADS stream, whose resources are counted and accepted. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { create, toBinary } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  ResourceSchema,
} from '#xds/gen/envoy/service/discovery/v3/discovery_pb.js';
import { kindOfTypeUrl, type ResourceKind, resourceTypes } from '#xds/resource-type.ts';
import { routeNames } from '../../support/large-mesh.ts';

export interface SidecarIdentity {
  readonly id: string;
  readonly namespace: string;
}

export interface ReceivedResponse {
  readonly kind: ResourceKind;
  readonly names: readonly string[];
  /** The whole message. */
  readonly bytes: Uint8Array;
}

const METHOD = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';
const FRAME_HEADER_BYTES = 5;
const WINDOW_BYTES = 16 * 1024 * 1024;
const RETRY_MS = 100;

const responseFields = DeltaDiscoveryResponseSchema.field;
const resourceFields = ResourceSchema.field;

export class AdsClient {
  /** Kinds that have been answered since it connected last. */
  readonly answered: Set<ResourceKind> = new Set();
  receivedBytes = 0;
  readonly #identity: SidecarIdentity;
  readonly #port: number;
  readonly #onAccepted: (response: ReceivedResponse) => void;
  /** Name -> version, by kind; what a proxy tells that comes back. */
  readonly #held = new Map<ResourceKind, Map<string, string>>();
  #session: ClientHttp2Session | undefined;
  #stream: ClientHttp2Stream | undefined;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #closed = false;

  /** @param onAccepted called when the answer has been written */
  constructor(identity: SidecarIdentity, port: number, onAccepted: (response: ReceivedResponse) => void) {
    this.#identity = identity;
    this.#port = port;
    this.#onAccepted = onAccepted;
  }

  /** Connects, and again when the connection ends, with what it has. */
  connect(): void {
    this.answered.clear();
    this.#waiting = [];
    this.#waitingBytes = 0;
    const session = connect(`http://127.0.0.1:${this.#port}`, {
      settings: { initialWindowSize: WINDOW_BYTES },
    });
    this.#session = session;
    session.on('connect', () => session.setLocalWindowSize(WINDOW_BYTES));
    session.on('error', () => {});
    session.on('close', () => {
      if (!this.#closed) setTimeout(() => this.connect(), RETRY_MS);
    });
    const stream = session.request({
      ':method': 'POST',
      ':path': METHOD,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    this.#stream = stream;
    stream.on('error', () => {});
    stream.on('end', () => session.destroy());
    stream.on('data', (chunk: Buffer) => this.#onData(chunk));
    if (this.#held.size === 0) this.#ask('cluster', { node: this.#node() });
    else {
      // As Envoy does: all that it has, at once.
      for (const [at, [kind, versions]] of [...this.#held].entries())
        this.#ask(kind, {
          ...(at === 0 && { node: this.#node() }),
          resourceNamesSubscribe: namesOf(kind, versions),
          initialResourceVersions: Object.fromEntries(versions),
        });
    }
  }

  close(): void {
    this.#closed = true;
    this.#session?.destroy();
  }

  #node(): NonNullable<DeltaDiscoveryRequest['node']> {
    const { id, namespace } = this.#identity;
    return {
      id,
      cluster: id,
      userAgentName: 'heddle',
      metadata: { NAMESPACE: namespace, INTERCEPTION_MODE: 'REDIRECT' },
    } as unknown as NonNullable<DeltaDiscoveryRequest['node']>;
  }

  #ask(kind: ResourceKind, rest: object): void {
    const { typeUrl } = resourceTypes[kind];
    const message = toBinary(
      DeltaDiscoveryRequestSchema,
      create(DeltaDiscoveryRequestSchema, { typeUrl, ...rest }),
    );
    const frame = Buffer.alloc(FRAME_HEADER_BYTES + message.length);
    frame.writeUInt32BE(message.length, 1);
    frame.set(message, FRAME_HEADER_BYTES);
    this.#stream?.write(frame);
  }

  #onData(chunk: Buffer): void {
    this.receivedBytes += chunk.length;
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    while (this.#waitingBytes >= FRAME_HEADER_BYTES) {
      const head = this.#gathered(FRAME_HEADER_BYTES);
      const needed = FRAME_HEADER_BYTES + head.readUInt32BE(1);
      if (this.#waitingBytes < needed) return;
      const all = this.#gathered(needed);
      this.#waiting[0] = all.subarray(needed);
      this.#waitingBytes -= needed;
      this.#onResponse(all.subarray(FRAME_HEADER_BYTES, needed));
    }
  }

  /** The first chunk, once it has so many bytes. */
  #gathered(bytes: number): Buffer {
    const [first = Buffer.alloc(0)] = this.#waiting;
    if (first.length >= bytes) return first;
    const all = Buffer.concat(this.#waiting);
    this.#waiting = [all];
    return all;
  }

  #onResponse(bytes: Uint8Array): void {
    const { typeUrl, nonce, resources, removed } = readResponse(bytes);
    const kind = kindOfTypeUrl(typeUrl);
    if (kind === undefined) return;
    const versions = this.#held.get(kind) ?? new Map<string, string>();
    this.#held.set(kind, versions);
    for (const [name, version] of resources) versions.set(name, version);
    for (const name of removed) versions.delete(name);
    this.#ask(kind, { responseNonce: nonce });
    const isFirst = !this.answered.has(kind);
    this.answered.add(kind);
    if (isFirst) this.#askNext(kind, versions);
    this.#onAccepted({ kind, names: resources.map(([name]) => name), bytes });
  }

  /** In the order in which one thing names another. */
  #askNext(kind: ResourceKind, versions: ReadonlyMap<string, string>): void {
    const isNew = (next: ResourceKind): boolean => !this.#held.has(next);
    if (kind === 'cluster' && isNew('endpoint')) {
      const assigned = [...versions.keys()].filter((name) => name.startsWith('outbound|'));
      this.#ask('endpoint', { resourceNamesSubscribe: assigned });
    }
    if (kind === 'endpoint' && isNew('listener')) this.#ask('listener', {});
    if (kind === 'listener' && isNew('route')) this.#ask('route', { resourceNamesSubscribe: routeNames });
    if (kind === 'route' && isNew('virtualHost')) this.#ask('virtualHost', {});
  }
}

function namesOf(kind: ResourceKind, versions: ReadonlyMap<string, string>): string[] {
  return kind === 'endpoint' || kind === 'route' ? [...versions.keys()] : [];
}

interface ReadResponse {
  typeUrl: string;
  nonce: string;
  readonly resources: [name: string, version: string][];
  readonly removed: string[];
}

/** Names and versions alone: what is in the resources is looked at by nobody. */
function readResponse(bytes: Uint8Array): ReadResponse {
  const reader = new BinaryReader(bytes);
  const read: ReadResponse = { typeUrl: '', nonce: '', resources: [], removed: [] };
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (wire !== WireType.LengthDelimited) reader.skip(wire, field);
    else if (field === responseFields.resources.number) {
      const end = reader.uint32() + reader.pos;
      read.resources.push(readNames(reader, end));
    } else if (field === responseFields.typeUrl.number) read.typeUrl = reader.string();
    else if (field === responseFields.nonce.number) read.nonce = reader.string();
    else if (field === responseFields.removedResources.number) read.removed.push(shared(reader.string()));
    else reader.skip(wire, field);
  }
  return read;
}

function readNames(reader: BinaryReader, end: number): [name: string, version: string] {
  let name = '';
  let version = '';
  while (reader.pos < end) {
    const [field, wire] = reader.tag();
    if (field === resourceFields.name.number) name = shared(reader.string());
    else if (field === resourceFields.version.number) version = shared(reader.string());
    else reader.skip(wire, field);
  }
  return [name, version];
}

/** Hundreds of clients get the same texts. */
const texts = new Map<string, string>();

function shared(text: string): string {
  const known = texts.get(text);
  if (known !== undefined) return known;
  texts.set(text, text);
  return text;
}
