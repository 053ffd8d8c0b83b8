/** What the server's side of a handshake needs of a ClientHello (RFC 8446 §4.1.2). */

export interface HelloFacts {
  /** Lower case; '' for none. */
  readonly serverName: string;
  /** In the order of the client. */
  readonly applicationProtocols: readonly string[];
  /** Curves (supported_groups) and those it sent a share of a key for. */
  readonly groups: readonly number[];
  readonly keyShares: readonly number[];
  readonly signatures: readonly number[];
  readonly ciphers: readonly number[];
  readonly speaksTls13: boolean;
  /** Whether it takes an OCSP response (status_request). */
  readonly takesStaple: boolean;
  /** First bytes of the ticket it wants to resume with: the name of the key; undefined for none. */
  readonly ticketName: Uint8Array | undefined;
}

const extension = {
  serverName: 0,
  statusRequest: 5,
  supportedGroups: 10,
  signatureAlgorithms: 13,
  alpn: 16,
  sessionTicket: 35,
  preSharedKey: 41,
  supportedVersions: 43,
  keyShare: 51,
} as const;

const TLS13 = 0x0304;
const TICKET_NAME_BYTES = 16;
const VERSION_AND_RANDOM_BYTES = 34;
const none: readonly never[] = [];

export const noHello: HelloFacts = {
  serverName: '',
  applicationProtocols: none,
  groups: none,
  keyShares: none,
  signatures: none,
  ciphers: none,
  speaksTls13: false,
  takesStaple: false,
  ticketName: undefined,
};

/**
 * @param body of the ClientHello message, without its head
 * @returns {@link noHello} where it is cut short: OpenSSL will say what is wrong.
 */
export function readHello(body: Buffer): HelloFacts {
  try {
    return readParts(body);
  } catch {
    return noHello;
  }
}

function readParts(body: Buffer): HelloFacts {
  let at = VERSION_AND_RANDOM_BYTES;
  at += 1 + body.readUInt8(at);
  const ciphers = numbers(body, at + 2, body.readUInt16BE(at));
  at += 2 + body.readUInt16BE(at);
  at += 1 + body.readUInt8(at);
  const facts = { ...noHello, ciphers } as { -readonly [Key in keyof HelloFacts]: HelloFacts[Key] };
  if (at + 2 > body.length) return facts;
  const end = Math.min(body.length, at + 2 + body.readUInt16BE(at));
  for (at += 2; at + 4 <= end; ) {
    const type = body.readUInt16BE(at);
    const length = body.readUInt16BE(at + 2);
    readExtension(facts, type, body.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return facts;
}

function readExtension(
  facts: { -readonly [Key in keyof HelloFacts]: HelloFacts[Key] },
  type: number,
  data: Buffer,
): void {
  switch (type) {
    case extension.serverName:
      if (data.length > 5 && data[2] === 0) {
        facts.serverName = data.toString('latin1', 5, 5 + data.readUInt16BE(3)).toLowerCase();
      }
      break;
    case extension.statusRequest:
      facts.takesStaple = true;
      break;
    case extension.supportedGroups:
      facts.groups = numbers(data, 2, data.readUInt16BE(0));
      break;
    case extension.signatureAlgorithms:
      facts.signatures = numbers(data, 2, data.readUInt16BE(0));
      break;
    case extension.alpn:
      facts.applicationProtocols = protocols(data);
      break;
    case extension.keyShare:
      facts.keyShares = shares(data);
      break;
    case extension.supportedVersions:
      facts.speaksTls13 = numbers(data, 1, data.readUInt8(0)).includes(TLS13);
      break;
    case extension.sessionTicket:
      if (data.length >= TICKET_NAME_BYTES) facts.ticketName = nameIn(data, 0);
      break;
    case extension.preSharedKey:
      // The first identity: its length, and the ticket.
      if (data.length >= 4 + TICKET_NAME_BYTES) facts.ticketName = nameIn(data, 4);
  }
}

function nameIn(data: Buffer, at: number): Uint8Array {
  return Uint8Array.from(data.subarray(at, at + TICKET_NAME_BYTES));
}

function numbers(data: Buffer, at: number, bytes: number): number[] {
  const list: number[] = [];
  for (let i = at; i + 2 <= at + bytes; i += 2) list.push(data.readUInt16BE(i));
  return list;
}

function protocols(data: Buffer): string[] {
  const list: string[] = [];
  for (let at = 2; at < data.length; ) {
    const length = data.readUInt8(at);
    list.push(data.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return list;
}

function shares(data: Buffer): number[] {
  const list: number[] = [];
  for (let at = 2; at + 4 <= data.length; ) {
    list.push(data.readUInt16BE(at));
    at += 4 + data.readUInt16BE(at + 2);
  }
  return list;
}
