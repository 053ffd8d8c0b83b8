/** `envoy.filters.network.direct_response`: sends a text and closes. */
import type { Duplex } from 'node:stream';
import type { Clock } from '#core/clock.ts';
import type { AccessRecord } from '#observe/access-record.ts';
import type { DownstreamFacts } from '../hcm/runtime.ts';
import { PlainRecord } from './plain-record.ts';
import type { ServedConnection } from './terminal.ts';

export function serveDirectResponse(
  socket: Duplex,
  facts: DownstreamFacts,
  response: Buffer,
  clock: Clock,
  onRecord: (record: AccessRecord) => void,
): ServedConnection {
  const record = new PlainRecord(facts, clock);
  record.responseCodeDetails = 'direct_response';
  record.bytesSent = response.length;
  socket.on('error', () => socket.destroy());
  socket.once('close', () => {
    record.endMs = clock.nowMs();
    onRecord(record);
  });
  // What the client sent is not read.
  socket.pause();
  socket.end(response);
  socket.once('finish', () => socket.destroy());
  return { drain() {}, destroy: () => void socket.destroy() };
}
