/** A connection in the access log of its listener, where nothing else keeps a record of the whole of it. */
import type { Socket } from 'node:net';
import type { Clock } from '#core/clock.ts';
import { TrafficRecord } from '../hcm/record.ts';
import type { AcceptedConnection } from './accepted.ts';

export class ConnectionRecord extends TrafficRecord {
  constructor(connection: AcceptedConnection, clock: Clock) {
    super(connection, clock);
    const nowMs = clock.nowMs();
    this.startTimeMs -= nowMs - connection.startMs;
    this.startMs = connection.startMs;
    this.endMs = nowMs;
    this.responseFlags = connection.flags;
    if (connection.phase !== 'served') return;
    const { bytesRead, bytesWritten } = (connection.tls ?? connection.socket) as Socket;
    this.bytesReceived = bytesRead ?? 0;
    this.bytesSent = bytesWritten ?? 0;
  }
}
