/** `envoy.filters.network.echo`: sends back what comes. */
import type { Duplex } from 'node:stream';
import type { Clock } from '#core/clock.ts';
import type { AccessRecord } from '#observe/access-record.ts';
import type { DownstreamFacts } from '../hcm/runtime.ts';
import { PlainRecord } from './plain-record.ts';
import type { ServedConnection } from './terminal.ts';

export function serveEcho(
  socket: Duplex,
  facts: DownstreamFacts,
  clock: Clock,
  onRecord: (record: AccessRecord) => void,
): ServedConnection {
  const record = new PlainRecord(facts, clock);
  socket.on('data', (data: Buffer) => {
    if (facts.guard?.passes(record) === false) return;
    record.bytesReceived += data.length;
    record.bytesSent += data.length;
    if (!socket.write(data)) socket.pause();
  });
  socket.on('drain', () => socket.resume());
  socket.on('end', () => socket.end());
  socket.on('error', () => socket.destroy());
  socket.once('close', () => {
    record.endMs = clock.nowMs();
    onRecord(record);
  });
  return { drain() {}, destroy: () => void socket.destroy() };
}
