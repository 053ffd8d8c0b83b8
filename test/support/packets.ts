/** What tcpdump writes (`-w`), taken apart: Ethernet, IPv4, and TCP or UDP. */

/** Bytes that one side sent. */
export interface Flow {
  /** `ADDRESS:PORT` */
  readonly from: string;
  readonly to: string;
  readonly protocol: 'tcp' | 'udp';
  /** In their order, each once. */
  readonly bytes: Buffer;
}

const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const ETHERNET_BYTES = 14;
const TYPE_IPV4 = 0x0800;
const TCP = 6;
const UDP = 17;

/** @param file what has been written so far: a packet that is not there in full is left out */
export function readFlows(file: Buffer): Flow[] {
  const parts = new Map<string, { flow: Omit<Flow, 'bytes'>; pieces: Map<number, Buffer> }>();
  for (const packet of packetsOf(file)) {
    const segment = readSegment(packet);
    if (segment === undefined) continue;
    const { sequence, payload, ...flow } = segment;
    const key = `${flow.protocol} ${flow.from} ${flow.to}`;
    const part = parts.get(key) ?? { flow, pieces: new Map<number, Buffer>() };
    parts.set(key, part);
    const place = flow.protocol === 'udp' ? part.pieces.size : sequence;
    const known = part.pieces.get(place);
    if (known === undefined || known.length < payload.length) part.pieces.set(place, payload);
  }
  return [...parts.values()].map(({ flow, pieces }) => ({
    ...flow,
    bytes: flow.protocol === 'udp' ? Buffer.concat([...pieces.values()]) : joined(pieces),
  }));
}

function* packetsOf(file: Buffer): Generator<Buffer> {
  let at = FILE_HEADER_BYTES;
  while (at + RECORD_HEADER_BYTES <= file.length) {
    const end = at + RECORD_HEADER_BYTES + file.readUInt32LE(at + 8);
    if (end > file.length) return;
    yield file.subarray(at + RECORD_HEADER_BYTES, end);
    at = end;
  }
}

interface Segment extends Omit<Flow, 'bytes'> {
  readonly sequence: number;
  readonly payload: Buffer;
}

/** Undefined: something else, or without bytes. */
function readSegment(packet: Buffer): Segment | undefined {
  if (packet.readUInt16BE(ETHERNET_BYTES - 2) !== TYPE_IPV4) return undefined;
  const ip = packet.subarray(ETHERNET_BYTES);
  const protocol = ip[9];
  if (protocol !== TCP && protocol !== UDP) return undefined;
  const data = ip.subarray((ip[0]! & 0x0f) * 4, ip.readUInt16BE(2));
  const payload = data.subarray(protocol === TCP ? (data[12]! >> 4) * 4 : 8);
  if (payload.length === 0) return undefined;
  const address = (at: number): string => ip.subarray(at, at + 4).join('.');
  return {
    from: `${address(12)}:${data.readUInt16BE(0)}`,
    to: `${address(16)}:${data.readUInt16BE(2)}`,
    protocol: protocol === TCP ? 'tcp' : 'udp',
    sequence: protocol === TCP ? data.readUInt32BE(4) : 0,
    payload,
  };
}

/** By sequence numbers, which begin anywhere and start again from 0. */
function joined(pieces: ReadonlyMap<number, Buffer>): Buffer {
  const [first = 0] = pieces.keys();
  const offset = (sequence: number): number => (sequence - first) | 0;
  const inOrder = [...pieces].sort(([a], [b]) => offset(a) - offset(b));
  let end = Number.NEGATIVE_INFINITY;
  const parts: Buffer[] = [];
  for (const [sequence, bytes] of inOrder) {
    const from = offset(sequence);
    if (from > end && parts.length > 0) throw new Error('the capture has a hole');
    if (from + bytes.length <= end) continue;
    parts.push(bytes.subarray(Math.max(0, end - from)));
    end = from + bytes.length;
  }
  return Buffer.concat(parts);
}
