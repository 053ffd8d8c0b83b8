/** The rows in which load goes through every contender. */

import { besidesRows } from './besides-rows.ts';
import { largeBodyBytes, smallBodyBytes } from './config/backend.ts';
import { nothingElse } from './config/work.ts';
import type { Bound, LoadRow } from './row.ts';

const small = `${smallBodyBytes} B body`;
const large = `${largeBodyBytes / 1024} KiB body`;

const cpu = (must: number, reach: number, haproxy?: number): Bound[] => [
  { figure: 'cpuUs', against: 'envoy', must, reach },
  ...(haproxy === undefined ? [] : [{ figure: 'cpuUs', against: 'haproxy', reach: haproxy } as const]),
];
const largeBounds: readonly Bound[] = [
  ...cpu(1.2, 1.0),
  { figure: 'perSecond', against: 'envoy', must: 0.9, atLeast: true },
];

const base = {
  kind: 'load',
  unit: 'request',
  traffic: 'h1',
  backend: 'h1',
  hops: ['none'],
  saturates: true,
  logged: true,
  leftOut: {},
  bounds: [],
} as const;

const alone = { leftOut: { nginx: 'has routes of another kind', haproxy: 'has routes of another kind' } };
const directOnlyPlain = { direct: 'the backend speaks no TLS' };

export const loadRows: readonly LoadRow[] = [
  {
    ...base,
    name: 'h1-small',
    title: `HTTP/1.1, ${small}, saturated`,
    load: { by: 'wrk', connections: 64, path: '/small' },
    bounds: cpu(0.8, 0.5, 1.6),
  },
  {
    ...base,
    name: 'h1-small-1000rps',
    title: `HTTP/1.1, ${small}, 1,000 requests/s`,
    // Few connections: each sends on its own beat, and all beats begin together.
    load: { by: 'h2load-h1', connections: 4, path: '/small', perSecond: 1000 },
    saturates: false,
    bounds: cpu(0.9, 0.6, 1.6),
  },
  {
    ...base,
    name: 'h1-64k-down',
    title: `HTTP/1.1, ${large} down, saturated`,
    load: { by: 'wrk', connections: 64, path: '/64k' },
    bounds: largeBounds,
  },
  {
    ...base,
    name: 'h1-64k-up',
    title: `HTTP/1.1, ${large} up, saturated`,
    load: { by: 'wrk', connections: 64, path: '/upload', upload: true },
    bounds: largeBounds,
  },
  {
    ...base,
    name: 'h2-small',
    title: `HTTP/2 on both sides, ${small}, 8 connections of 16 streams, saturated (nginx: HTTP/1.1 upstream)`,
    traffic: 'h2',
    backend: 'h2',
    load: { by: 'h2load', connections: 8, streams: 16, grpc: false },
    saturates: false,
    bounds: cpu(0.9, 0.6, 1.6),
  },
  {
    ...base,
    name: 'grpc-unary',
    title: `gRPC unary, ${smallBodyBytes} B messages, 8 connections of 16 calls, saturated`,
    traffic: 'grpc',
    backend: 'h2',
    load: { by: 'h2load', connections: 8, streams: 16, grpc: true },
    saturates: false,
    bounds: cpu(0.9, 0.6, 1.6),
  },
  {
    ...base,
    name: 'grpc-stream',
    title: `gRPC streaming, ${smallBodyBytes} B messages there and back on 8 connections of 16 open calls, saturated`,
    unit: 'message there and back',
    traffic: 'grpc',
    backend: 'stream',
    load: { by: 'stream', connections: 8, streams: 16 },
    logged: false,
  },
  {
    ...base,
    name: 'tls-full',
    title: 'TLS 1.3 handshakes, full (P-256), 8 at a time',
    unit: 'handshake',
    hops: ['serve'],
    load: { by: 'handshakes', connections: 8, resume: false },
    saturates: false,
    logged: false,
    leftOut: directOnlyPlain,
  },
  {
    ...base,
    name: 'tls-resumed',
    title: 'TLS 1.3 handshakes, resumed, 8 at a time',
    unit: 'handshake',
    hops: ['serve'],
    load: { by: 'handshakes', connections: 8, resume: true },
    saturates: false,
    logged: false,
    leftOut: directOnlyPlain,
  },
  {
    ...base,
    name: 'mtls-pair',
    title: `HTTP/1.1 through two proxies with mutual TLS between them, ${small}, saturated`,
    hops: ['originate', 'terminate'],
    load: { by: 'wrk', connections: 64, path: '/small' },
    bounds: cpu(0.9, 0.7),
  },
  {
    ...base,
    name: 'tcp-throughput',
    title: 'TCP, 4 connections, as many bytes as go through',
    unit: 'GiB',
    traffic: 'tcp',
    backend: 'tcp',
    load: { by: 'tcp', connections: 4 },
    saturates: false,
    logged: false,
    leftOut: { nginx: "Debian's nginx proxies TCP only with a package more" },
  },
  {
    ...base,
    name: 'websocket',
    title: `WebSocket, ${smallBodyBytes} B messages there and back on 64 connections`,
    unit: 'message there and back',
    traffic: 'websocket',
    backend: 'websocket',
    load: { by: 'websocket', connections: 64 },
    saturates: false,
    logged: false,
  },
  {
    ...base,
    name: 'latency-1000rps',
    title: `HTTP/1.1, ${small}, latency at 1,000 requests/s, evenly over 16 connections`,
    load: { by: 'fortio', connections: 16, path: '/small', perSecond: 1000 },
    saturates: false,
    added: true,
    bounds: [{ figure: 'addedP99Us', against: 'envoy', must: 1.2, reach: 1.0 }],
  },
  ...(
    [
      ['routes', [10, 100, 1000, 10_000]],
      ['hosts', [10, 10_000]],
      ['clusters', [10, 100, 2000]],
    ] as const
  ).flatMap(([kind, counts]) =>
    counts.map(
      (count): LoadRow => ({
        ...base,
        ...alone,
        name: `${kind}-${count}`,
        title: `HTTP/1.1, ${small}, saturated, ${count.toLocaleString('en')} other ${kind}${kind === 'clusters' ? ' of 50 endpoints' : ''}`,
        load: { by: 'wrk', connections: 64, path: '/small' },
        elsewhere: { ...nothingElse, [kind]: count },
      }),
    ),
  ),
  ...besidesRows.map(
    ({ name, title, besides }): LoadRow => ({
      ...base,
      ...alone,
      name,
      title: `HTTP/1.1, ${small}, saturated, ${title}`,
      load: { by: 'wrk', connections: 64, path: '/small' },
      besides,
    }),
  ),
  ...[1, 2].map(
    (threads): LoadRow => ({
      ...base,
      name: `threads-${threads}`,
      title: `HTTP/1.1, ${small}, ${threads === 1 ? 'one thread' : `${threads} threads`}, proxy and load on both cores`,
      load: { by: 'wrk', connections: 64, path: '/small' },
      saturates: false,
      threads,
    }),
  ),
];
