/**
 * Names of header fields, interned: a name that is known comes out of the parser as always the same
 * lower-case string and with marks that say what has to be done about it, so that nobody searches
 * a list for what is not there.
 */

/** What a head contains, as bits that are or-ed together while it is parsed. */
export const mark = {
  connection: 0x1,
  contentLength: 0x2,
  transferEncoding: 0x4,
  host: 0x8,
  upgrade: 0x10,
  expect: 0x20,
  /** `keep-alive`, `proxy-connection`: never forwarded. */
  hopByHop: 0x40,
  te: 0x80,
  forwardedFor: 0x100,
  forwardedProto: 0x200,
  requestId: 0x400,
  /** `x-envoy-*` that a client at the edge must not set. */
  envoyInternal: 0x800,
  /** Any `x-envoy-*`. */
  envoy: 0x1000,
  date: 0x2000,
  server: 0x4000,
  contentType: 0x8000,
  clientCert: 0x10000,
  forwardedHost: 0x20000,
} as const;

const m = mark;

/** Names in use on the web and in meshes, with their marks. */
const known: Readonly<Record<string, number>> = {
  accept: 0,
  'accept-charset': 0,
  'accept-encoding': 0,
  'accept-language': 0,
  'accept-ranges': 0,
  'access-control-allow-credentials': 0,
  'access-control-allow-headers': 0,
  'access-control-allow-methods': 0,
  'access-control-allow-origin': 0,
  'access-control-expose-headers': 0,
  'access-control-max-age': 0,
  'access-control-request-headers': 0,
  'access-control-request-method': 0,
  'access-control-request-private-network': 0,
  age: 0,
  allow: 0,
  'alt-svc': 0,
  authorization: 0,
  b3: 0,
  baggage: 0,
  'cache-control': 0,
  connection: m.connection,
  'content-disposition': 0,
  'content-encoding': 0,
  'content-language': 0,
  'content-length': m.contentLength,
  'content-location': 0,
  'content-range': 0,
  'content-security-policy': 0,
  'content-type': m.contentType,
  cookie: 0,
  date: m.date,
  'end-user': 0,
  etag: 0,
  expect: m.expect,
  expires: 0,
  forwarded: 0,
  from: 0,
  'grpc-accept-encoding': 0,
  'grpc-encoding': 0,
  'grpc-message': 0,
  'grpc-status': 0,
  'grpc-timeout': 0,
  host: m.host,
  'if-match': 0,
  'if-modified-since': 0,
  'if-none-match': 0,
  'if-range': 0,
  'if-unmodified-since': 0,
  'keep-alive': m.hopByHop,
  'last-modified': 0,
  link: 0,
  location: 0,
  'max-forwards': 0,
  origin: 0,
  pragma: 0,
  'proxy-authenticate': 0,
  'proxy-authorization': 0,
  'proxy-connection': m.hopByHop,
  'proxy-status': 0,
  range: 0,
  referer: 0,
  'retry-after': 0,
  'sec-fetch-dest': 0,
  'sec-fetch-mode': 0,
  'sec-fetch-site': 0,
  'sec-websocket-accept': 0,
  'sec-websocket-key': 0,
  'sec-websocket-version': 0,
  server: m.server,
  'set-cookie': 0,
  'strict-transport-security': 0,
  te: m.te,
  traceparent: 0,
  tracestate: 0,
  trailer: 0,
  'transfer-encoding': m.transferEncoding,
  upgrade: m.upgrade,
  'upgrade-insecure-requests': 0,
  'user-agent': 0,
  vary: 0,
  via: 0,
  'www-authenticate': 0,
  'x-b3-flags': 0,
  'x-b3-parentspanid': 0,
  'x-b3-sampled': 0,
  'x-b3-spanid': 0,
  'x-b3-traceid': 0,
  'x-client-trace-id': 0,
  'x-content-type-options': 0,
  'x-envoy-attempt-count': m.envoy,
  'x-envoy-decorator-operation': m.envoy | m.envoyInternal,
  'x-envoy-downstream-service-cluster': m.envoy | m.envoyInternal,
  'x-envoy-downstream-service-node': m.envoy | m.envoyInternal,
  'x-envoy-expected-rq-timeout-ms': m.envoy | m.envoyInternal,
  'x-envoy-external-address': m.envoy | m.envoyInternal,
  'x-envoy-force-trace': m.envoy | m.envoyInternal,
  'x-envoy-hedge-on-per-try-timeout': m.envoy | m.envoyInternal,
  'x-envoy-immediate-health-check-fail': m.envoy,
  'x-envoy-internal': m.envoy | m.envoyInternal,
  'x-envoy-ip-tags': m.envoy | m.envoyInternal,
  'x-envoy-is-timeout-retry': m.envoy,
  'x-envoy-max-retries': m.envoy | m.envoyInternal,
  'x-envoy-original-host': m.envoy | m.envoyInternal,
  'x-envoy-original-path': m.envoy | m.envoyInternal,
  'x-envoy-original-url': m.envoy | m.envoyInternal,
  'x-envoy-overloaded': m.envoy,
  'x-envoy-peer-metadata': 0,
  'x-envoy-peer-metadata-id': 0,
  'x-envoy-retriable-header-names': m.envoy | m.envoyInternal,
  'x-envoy-retriable-status-codes': m.envoy | m.envoyInternal,
  'x-envoy-retry-grpc-on': m.envoy | m.envoyInternal,
  'x-envoy-retry-on': m.envoy | m.envoyInternal,
  'x-envoy-upstream-alt-stat-name': m.envoy | m.envoyInternal,
  'x-envoy-upstream-rq-per-try-timeout-ms': m.envoy | m.envoyInternal,
  'x-envoy-upstream-rq-timeout-alt-response': m.envoy | m.envoyInternal,
  'x-envoy-upstream-rq-timeout-ms': m.envoy | m.envoyInternal,
  'x-envoy-upstream-service-time': m.envoy,
  'x-envoy-upstream-stream-duration-ms': m.envoy | m.envoyInternal,
  'x-forwarded-client-cert': m.clientCert,
  'x-forwarded-for': m.forwardedFor,
  'x-forwarded-host': m.forwardedHost,
  'x-forwarded-port': 0,
  'x-forwarded-proto': m.forwardedProto,
  'x-powered-by': 0,
  'x-request-id': m.requestId,
  'x-requested-with': 0,
};

/** Lower-case code of each character that may stand in a token (RFC 9110 §5.6.2); 0 for others. */
export const tokenCode: Uint8Array = (() => {
  const table = new Uint8Array(256);
  for (let c = 0x21; c < 0x7f; c++) {
    const char = String.fromCharCode(c);
    if (/[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(char)) table[c] = char.toLowerCase().charCodeAt(0);
  }
  return table;
})();

/** The hash the parser computes on the way through a name. */
export function hashStep(hash: number, lowerCode: number): number {
  return (Math.imul(hash, 31) + lowerCode) | 0;
}

const SLOTS = 1024;
/** Slots of {@link findName} are below this; some are empty. */
export const NAME_SLOTS: number = SLOTS;
const names: (string | undefined)[] = new Array(SLOTS).fill(undefined);
const marks = new Int32Array(SLOTS);
for (const [name, marksOfName] of Object.entries(known)) {
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = hashStep(hash, name.charCodeAt(i));
  let slot = slotOf(hash);
  while (names[slot] !== undefined) slot = (slot + 1) & (SLOTS - 1);
  names[slot] = name;
  marks[slot] = marksOfName;
}

function slotOf(hash: number): number {
  return (hash ^ (hash >>> 10)) & (SLOTS - 1);
}

/** The slot of the name at `text[from..to)`, whose hash is `hash`; -1 for one that is not known. */
export function findName(text: string, from: number, to: number, hash: number): number {
  const length = to - from;
  let slot = slotOf(hash);
  for (let name = names[slot]; name !== undefined; name = names[slot]) {
    if (name.length === length) {
      let i = 0;
      while (i < length && tokenCode[text.charCodeAt(from + i)] === name.charCodeAt(i)) i++;
      if (i === length) return slot;
    }
    slot = (slot + 1) & (SLOTS - 1);
  }
  return -1;
}

/** As {@link findName}, for bytes that are in lower case already. */
export function findNameBytes(bytes: Uint8Array, from: number, to: number, hash: number): number {
  const length = to - from;
  let slot = slotOf(hash);
  for (let name = names[slot]; name !== undefined; name = names[slot]) {
    if (name.length === length) {
      let i = 0;
      while (i < length && bytes[from + i] === name.charCodeAt(i)) i++;
      if (i === length) return slot;
    }
    slot = (slot + 1) & (SLOTS - 1);
  }
  return -1;
}

/** The interned name in a slot that {@link findName} gave. */
export function nameAt(slot: number): string {
  return names[slot]!;
}

export function marksAt(slot: number): number {
  return marks[slot]!;
}
