/** Datagrams through a doorway: messages of a stream at the near end, datagrams beyond. */
import { createSocket } from 'node:dgram';
import { isIPv6, type Socket } from 'node:net';
import { StreamMessages, streamMessage } from '#core/stream-messages.ts';

/** A way that nothing comes by is closed. */
const IDLE_MS = 30_000;
/** What the near end does not read in time is lost, as datagrams are. */
const MAX_WAITING_BYTES = 256 * 1024;

/** Says `ok` or the system's code, and leads both ways until the near end closes. @param address an IP address */
export function leadDatagrams(near: Socket, address: string, port: number): void {
  const far = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  const messages = new StreamMessages();
  near.once('close', () => far.close());
  near.on('error', () => near.destroy());
  near.once('end', () => near.destroy());
  near.setTimeout(IDLE_MS, () => near.destroy());
  // Such as that nobody listens there: whoever asked need not wait for it.
  far.on('error', () => near.destroy());
  far.on('message', (bytes) => {
    if (near.writableLength < MAX_WAITING_BYTES) near.write(streamMessage(bytes));
  });
  far.connect(port, address, (error?: NodeJS.ErrnoException) => {
    if (near.destroyed) return;
    if (error) {
      near.end(`${error.code ?? 'EHOSTUNREACH'}\n`);
      return;
    }
    near.write('ok\n');
    near.on('data', (chunk: Buffer) => {
      messages.push(chunk);
      for (let bytes = messages.next(); bytes !== undefined; bytes = messages.next()) far.send(bytes);
    });
  });
}
