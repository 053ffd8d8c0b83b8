/** The certificates that came with a peer's own. Sessions do not hold them: they are remembered by the peer's. */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { TlsPeer } from './peer.ts';

const MAX_REMEMBERED = 1000;
/** OpenSSL's limit of what it verifies is 100; nobody sends more than a few. */
const MAX_CHAIN = 16;

export class PresentedChains {
  /** By the hash of the peer's certificate. */
  readonly #remembered = new Map<string, string>();

  /** PEM, the peer's certificate first; '' where it showed none. */
  of(socket: TLSSocket, { certificate }: TlsPeer): string {
    if (certificate === undefined) return '';
    if (socket.isSessionReused()) return this.#remembered.get(certificate.sha256) ?? certificate.pem;
    let pem = certificate.pem;
    let next: X509Certificate | undefined = socket.getPeerX509Certificate()?.issuerCertificate;
    for (let i = 1; i < MAX_CHAIN && next !== undefined; i++) {
      pem += next.toString();
      next = next.issuerCertificate;
    }
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(certificate.sha256, pem);
    return pem;
  }
}
