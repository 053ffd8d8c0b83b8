/** What a handshake proved about the peer, and what is told of its connection. */
import type { PeerCertificate } from '#identity/peer-certificate.ts';

export interface TlsPeer {
  /** The first URI of the verified certificate; '' without one. */
  readonly uri: string;
  readonly presented: boolean;
  readonly validated: boolean;
  /** The first URI of our own certificate; '' without one. */
  readonly ownUri: string;
  /** As presented, whether verified or not. */
  readonly certificate?: PeerCertificate | undefined;
  /** All that were presented, the certificate first, in PEM; only where it is asked for. */
  readonly chainPem?: string;
  /** The one we showed. */
  readonly ownCertificate?: PeerCertificate | undefined;
  /** Such as `TLSv1.3`. */
  readonly version?: string;
  /** Such as `TLS_AES_128_GCM_SHA256`. */
  readonly cipher?: string;
  /** Of TLS 1.2, lower-case hexadecimal; '' for none. */
  readonly sessionId?: string;
}

/** Of a connection that is not encrypted. */
export const noPeer: TlsPeer = { uri: '', presented: false, validated: false, ownUri: '' };
