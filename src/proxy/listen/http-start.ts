/** Which version of HTTP the first bytes of a connection speak, by its request line (Envoy, http_inspector). */

/** `more`: too few bytes yet; `none`: this is no HTTP. */
export type HttpStart = 'http/1.0' | 'http/1.1' | 'h2c' | 'none' | 'more';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
const SPACE = 0x20;
const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;

export function readHttpStart(bytes: Buffer): HttpStart {
  const common = Math.min(bytes.length, PREFACE.length);
  if (bytes.compare(PREFACE, 0, common, 0, common) === 0) return common < PREFACE.length ? 'more' : 'h2c';
  let at = 0;
  while (at < bytes.length && isToken(bytes[at]!)) at++;
  const methodEnd = at;
  if (at === bytes.length) return 'more';
  if (at === 0 || !isBlank(bytes[at]!)) return 'none';
  while (at < bytes.length && isBlank(bytes[at]!)) at++;
  const targetStart = at;
  while (at < bytes.length && bytes[at]! > SPACE && bytes[at]! < 0x7f) at++;
  if (at === bytes.length) return 'more';
  const targetEnd = at;
  if (!isBlank(bytes[at]!) && bytes[at] !== CR && bytes[at] !== LF) return 'none';
  const lineEnd = bytes.indexOf(LF, at);
  if (lineEnd === -1) return 'more';
  const method = bytes.toString('latin1', 0, methodEnd);
  if (!isTarget(method, bytes.toString('latin1', targetStart, targetEnd))) return 'none';
  // Without a version it is HTTP/0.9, which is answered as HTTP/1.0.
  const version = bytes.toString('latin1', targetEnd, lineEnd).trim();
  if (version === 'HTTP/1.1') return 'http/1.1';
  return version === '' || /^HTTP\/\d\.\d$/.test(version) ? 'http/1.0' : 'none';
}

function isTarget(method: string, target: string): boolean {
  if (method === 'CONNECT') return target !== '';
  return target.startsWith('/') || target === '*' || /^[a-z][a-z\d+.-]*:\/\/./i.test(target);
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB;
}

/** RFC 9110 §5.6.2. */
const tokenBytes: readonly boolean[] = Array.from({ length: 256 }, (_, byte) =>
  /[!#$%&'*+.^_`|~\dA-Za-z-]/.test(String.fromCharCode(byte)),
);

function isToken(byte: number): boolean {
  return tokenBytes[byte]!;
}
