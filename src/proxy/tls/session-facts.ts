/**
 * What a TLS session says (OpenSSL's `SSL_SESSION` in DER): who is at the other end, and its id. To have
 * the certificate decoded again costs ten times as much, and more than all else a handshake needs here.
 */
import type { TLSSocket } from 'node:tls';
import { type DerElement, derTag, readDer } from '#identity/der-reader.ts';
import { type PeerCertificate, peerCertificate } from '#identity/peer-certificate.ts';

export interface SessionFacts {
  /** Undefined where the other side showed none. */
  readonly certificate: PeerCertificate | undefined;
  /** Lower-case hexadecimal; '' for none, as in TLS 1.3. */
  readonly sessionId: string;
}

/** Context-specific tag of the peer's certificate. */
const PEER = 0xa3;
/** SEQUENCE with two bytes of length, which every session needs. */
const START = 0x3082;
const START_BYTES = 4;

/** @throws Error where the certificate cannot be read */
export function sessionFacts(socket: TLSSocket): SessionFacts {
  const session = socket.getSession();
  const found = session instanceof Buffer ? readSession(session) : undefined;
  if (found !== undefined) return found;
  const certificate = socket.getPeerX509Certificate();
  return { certificate: certificate && peerCertificate(certificate.raw), sessionId: '' };
}

/** Undefined where these are no bytes of a session. The secret among them is wiped. */
function readSession(session: Buffer): SessionFacts | undefined {
  try {
    const sequence = sequenceIn(session);
    let certificate: PeerCertificate | undefined;
    let octets = 0;
    let sessionId = '';
    for (let at = sequence.start; at < sequence.end; ) {
      const part = readDer(session, at, sequence.end);
      // Cipher, session id, secret.
      if (part.tag === derTag.octetString && ++octets === 2) {
        sessionId = session.toString('hex', part.start, part.end);
      }
      if (part.tag === PEER) certificate = peerCertificate(session.subarray(part.start, part.end));
      at = part.end;
    }
    return { certificate, sessionId };
  } catch {
    return undefined;
  } finally {
    session.fill(0);
  }
}

/** A client's session has the name of the server before it. */
function sequenceIn(session: Buffer): DerElement {
  for (let at = 0; at + START_BYTES <= session.length; at++) {
    const isWhole = session.readUInt16BE(at + 2) === session.length - at - START_BYTES;
    if (isWhole && session.readUInt16BE(at) === START) return readDer(session, at);
  }
  throw new Error('not a session');
}
