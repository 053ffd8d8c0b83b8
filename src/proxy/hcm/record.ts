/** The access record of a connection or a request, filled where the traffic is. */

import type { Clock } from '#core/clock.ts';
import type { HeaderList } from '#http/header-list.ts';
import type { AccessRecord, FilterMetadata, PeerCertificate } from '#observe/access-record.ts';
import type { TlsPeer } from '../tls/context.ts';
import type { DownstreamFacts } from './runtime.ts';

const noHeaders: HeaderList = [];

export abstract class TrafficRecord implements AccessRecord {
  startTimeMs: number;
  startMs: number;
  requestEndMs = -1;
  firstUpstreamByteMs = -1;
  endMs = -1;
  protocol = '';
  method = '';
  path = '';
  originalPath = '';
  authority = '';
  hostIsEmpty = false;
  scheme = '';
  requestHeaders: HeaderList = noHeaders;
  responseHeaders: HeaderList = noHeaders;
  responseTrailers: HeaderList = noHeaders;
  responseCode = 0;
  responseCodeDetails = '';
  responseFlags = '';
  bytesReceived = 0;
  bytesSent = 0;
  routeName = '';
  virtualClusterName = '';
  localReplyBody = '';
  upstreamHost = '';
  upstreamCluster = '';
  upstreamRemoteAddress = '';
  upstreamLocalAddress = '';
  upstreamTransportFailureReason = '';
  upstreamAttempts = 0;
  upstreamProtocol = '';
  downstreamLocalAddress: string;
  downstreamRemoteAddress: string;
  downstreamDirectLocalAddress: string;
  downstreamDirectRemoteAddress: string;
  filterChainName: string;
  metadata: FilterMetadata | undefined;
  requestedServerName: string;
  connectionTerminationDetails = '';
  downstreamLocalCloseReason = '';
  upstreamLocalCloseReason = '';
  accessLogType = 'DownstreamEnd';
  downstreamPeerUri: string;
  downstreamLocalUri: string;
  upstreamPeerUri = '';
  isHealthCheck = false;
  /** Whether it came from within. */
  isInternal = false;
  upstreamLocalUri = '';
  downstreamTlsVersion: string;
  connectionId: number;
  #attempted = '';
  readonly #certificate: PeerCertificate | undefined;

  constructor(facts: DownstreamFacts, clock: Clock) {
    this.startTimeMs = clock.wallMs();
    this.startMs = clock.nowMs();
    this.downstreamLocalAddress = facts.localAddress;
    this.downstreamRemoteAddress = facts.remoteAddress;
    this.downstreamDirectLocalAddress = facts.directLocalAddress;
    this.downstreamDirectRemoteAddress = facts.directRemoteAddress;
    this.filterChainName = facts.chainName;
    this.metadata = facts.metadata;
    this.requestedServerName = facts.serverName;
    this.downstreamPeerUri = facts.peer.uri;
    this.downstreamLocalUri = facts.ownUri;
    this.downstreamTlsVersion = facts.tlsVersion;
    this.connectionId = facts.connectionId;
    this.#certificate = facts.certificate;
  }

  /** There is a connection to the host that was chosen. */
  noteConnected(): void {
    const { upstreamHost } = this;
    this.#attempted = this.#attempted === '' ? upstreamHost : `${this.#attempted},${upstreamHost}`;
  }

  get upstreamHostsAttempted(): string {
    return this.#attempted;
  }

  get downstreamCertificate(): PeerCertificate | undefined {
    return this.#certificate;
  }

  /** What is upstream is connected. */
  noteConnection(peer: TlsPeer, localAddress: string, remoteAddress: string): void {
    this.upstreamPeerUri = peer.uri;
    this.upstreamLocalUri = peer.ownUri;
    this.upstreamLocalAddress = localAddress;
    this.upstreamRemoteAddress = remoteAddress;
  }

  addFlag(flag: string): void {
    if (this.responseFlags.split(',').includes(flag)) return;
    this.responseFlags = this.responseFlags === '' ? flag : `${this.responseFlags},${flag}`;
  }
}
