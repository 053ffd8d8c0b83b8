/** The process of all clients: forked by the benchmark, and told by messages what to wait for. */
import { AdsClient, type ReceivedResponse, type SidecarIdentity } from './ads-client.ts';

/** Times are those of the machine's monotonic clock, in milliseconds, which all processes share. */
export type Order =
  | { readonly order: 'connect'; readonly port: number; readonly sidecars: readonly SidecarIdentity[] }
  | { readonly order: 'watch'; readonly marker: string; readonly resources: number }
  | { readonly order: 'end' };

export interface Report {
  /** When the last client had answered. */
  readonly atMs: number;
  /** The most that one of them got since the order. */
  readonly bytes: number;
  /** The most responses that held some of it. */
  readonly responses: number;
}

export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

interface Watched {
  readonly marker: Buffer;
  readonly resources: number;
  readonly before: ReadonlyMap<AdsClient, number>;
  /** By client: the resources seen, and in how many responses. */
  readonly seen: Map<AdsClient, { readonly names: Set<string>; responses: number }>;
  complete: number;
}

const clients: AdsClient[] = [];
let watched: Watched | undefined;
let connecting = false;

function report(told: Omit<Report, 'atMs'>): void {
  process.send?.({ atMs: monotonicMs(), ...told } satisfies Report);
}

function onAccepted(client: AdsClient, response: ReceivedResponse): void {
  if (connecting && clients.every(({ answered }) => answered.has('virtualHost'))) {
    connecting = false;
    report({ bytes: Math.max(...clients.map(({ receivedBytes }) => receivedBytes)), responses: 0 });
  }
  if (watched !== undefined) look(watched, client, response);
}

function look(now: Watched, client: AdsClient, { names, bytes }: ReceivedResponse): void {
  if (!Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(now.marker)) return;
  const seen = now.seen.get(client) ?? { names: new Set<string>(), responses: 0 };
  now.seen.set(client, seen);
  const isComplete = seen.names.size >= now.resources;
  for (const name of names) seen.names.add(name);
  seen.responses++;
  if (isComplete || seen.names.size < now.resources) return;
  now.complete++;
  if (now.complete < clients.length) return;
  watched = undefined;
  const got = clients.map((one) => one.receivedBytes - (now.before.get(one) ?? 0));
  const responses = [...now.seen.values()].map((one) => one.responses);
  report({ bytes: Math.max(...got), responses: Math.max(...responses) });
}

process.on('message', (order: Order) => {
  if (order.order === 'end') {
    for (const client of clients) client.close();
    process.disconnect?.();
  } else if (order.order === 'connect') {
    connecting = true;
    for (const sidecar of order.sidecars) {
      const client: AdsClient = new AdsClient(sidecar, order.port, (response) =>
        onAccepted(client, response),
      );
      clients.push(client);
    }
    for (const client of clients) client.connect();
  } else {
    watched = {
      marker: Buffer.from(order.marker),
      resources: order.resources,
      before: new Map(clients.map((client) => [client, client.receivedBytes])),
      seen: new Map(),
      complete: 0,
    };
    process.send?.('watching');
  }
});
