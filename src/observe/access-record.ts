/** What a `google.protobuf.Struct` can hold. */
export type MetadataValue =
  | null
  | boolean
  | number
  | string
  | readonly MetadataValue[]
  | { readonly [key: string]: MetadataValue };

/** What filters found, by their name and theirs (Envoy, dynamic metadata). */
export type FilterMetadata = Readonly<Record<string, Readonly<Record<string, MetadataValue>>>>;

/** What a certificate says. */
export interface PeerCertificate {
  readonly subject: string;
  readonly issuer: string;
  /** SHA-256, lower-case hex. */
  readonly hash: string;
  /** URL-encoded PEM. */
  readonly pem: string;
  readonly dns: readonly string[];
}

/**
 * What is known about one finished request or connection: filled by the data path, read by the
 * access log and the metrics. A plain mutable object, so that filling a field costs a store.
 * Header lists are flat: name (lower case), value, name, value, and so on.
 */
export interface AccessRecord {
  /** Milliseconds since 1970, when the first byte of the request came (TCP: the connection). */
  startTimeMs: number;
  /** Monotonic milliseconds at the same moment; the times below are monotonic too. */
  startMs: number;
  /** When the last byte of the request had come; -1: it never did. */
  requestEndMs: number;
  /** When the first byte of the response came from upstream; -1: none did. */
  firstUpstreamByteMs: number;
  /** When the request or connection was finished. */
  endMs: number;

  /** `HTTP/1.1`, `HTTP/1.0`; '' for a connection without HTTP. */
  protocol: string;
  method: string;
  /** Request target in origin form, with the query, as it stands after rewrites. */
  path: string;
  /** Before rewrites; '' where there was none. */
  originalPath: string;
  authority: string;
  /** Whether there is a host, which names nothing. */
  hostIsEmpty?: boolean;
  /** `http` or `https`. */
  scheme?: string;
  requestHeaders: readonly string[];
  responseHeaders: readonly string[];
  responseTrailers: readonly string[];
  /** 0: no response was sent. */
  responseCode: number;
  /** Envoy's details, such as `via_upstream`. */
  responseCodeDetails: string;
  /** Envoy's short flags, comma-separated, such as `UF,URX`; '' for none. */
  responseFlags: string;
  bytesReceived: number;
  bytesSent: number;
  routeName: string;
  /** The one of the route table that it is counted in; '' where there is none. */
  virtualClusterName: string;
  /** Body of a reply of the proxy's own before `local_reply_config` formats it. */
  localReplyBody: string;

  /** `127.0.0.1:9080`; '' where none was chosen. */
  upstreamHost: string;
  upstreamCluster: string;
  /** Where the connection leads to: an address of that host; '' without a connection. */
  upstreamRemoteAddress: string;
  upstreamLocalAddress: string;
  upstreamTransportFailureReason: string;
  /** Attempts, the first one included; 0: none. */
  upstreamAttempts: number;

  downstreamLocalAddress: string;
  downstreamRemoteAddress: string;
  /** Of the socket itself, where a PROXY header or a redirection says otherwise above. */
  downstreamDirectLocalAddress: string;
  downstreamDirectRemoteAddress: string;
  filterChainName: string;
  metadata: FilterMetadata | undefined;
  /** As sent in the ClientHello; '' for none. */
  requestedServerName: string;
  connectionTerminationDetails: string;
  /** Why the proxy itself ended a connection, such as `tcp_session_idle_timeout`; '' where it did not. */
  downstreamLocalCloseReason: string;
  upstreamLocalCloseReason: string;
  /** What the line is about, such as `DownstreamEnd` or `TcpConnectionEnd`. */
  accessLogType: string;
  /** URI of the verified certificate of the client, such as a SPIFFE id. */
  downstreamPeerUri: string;
  /** URI of our own certificate on the downstream connection. */
  downstreamLocalUri: string;
  /** URI of our own certificate on the upstream connection. */
  upstreamLocalUri: string;
  /** URI of the verified certificate of the upstream. */
  upstreamPeerUri: string;
  downstreamTlsVersion: string;
  /** What filters noted about a connection, as a text or a JSON value; absent where nobody does. */
  filterState?(key: string, plain: boolean): string | undefined;
  connectionId: number;
  /** `HTTP/1.1` or `HTTP/2`; '' and absent where there was no upstream. */
  readonly upstreamProtocol?: string;
  /** As the cluster names the endpoint; '' and absent where it does not. */
  readonly upstreamHostname?: string;
  /** Addresses, with commas between. */
  readonly upstreamHostsAttempted?: string;
  readonly clusterMetadata?: FilterMetadata | undefined;
  readonly endpointMetadata?: FilterMetadata | undefined;
  readonly routeMetadata?: FilterMetadata | undefined;
  /** Of the client, where it was verified. */
  readonly downstreamCertificate?: PeerCertificate | undefined;
  /** Whether it asked for the health of the proxy, or of what stands behind it. */
  isHealthCheck: boolean;
}
