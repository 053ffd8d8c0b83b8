/** Asks the stock service, which speaks lines over TCP, at the address Kubernetes' own variables give. */
import net from 'node:net';

const answerTimeoutMs = 5_000;

/**
 * Copies on the shelf for each of `ids`, undefined where stock does not know the book.
 * One connection, all questions at once; rejects when stock cannot be reached.
 */
export function copiesOf(ids: readonly number[]): Promise<ReadonlyMap<number, number | undefined>> {
  const host = process.env.STOCK_SERVICE_HOST ?? 'stock';
  const port = Number(process.env.STOCK_SERVICE_PORT ?? 7379);
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = net.connect({ host, port });
    socket.setTimeout(answerTimeoutMs, () => socket.destroy(new Error('stock: no answer')));
    socket.on('error', (error) => reject(new Error(`stock: ${error.message}`, { cause: error })));
    socket.on('close', () => reject(new Error('stock: connection closed before the answer')));
    socket.on('connect', () => socket.write(ids.map((id) => `GET ${id}\n`).join('')));
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      const lines = text.split('\n');
      if (lines.length <= ids.length) return;
      resolve(new Map(ids.map((id, at) => [id, lines[at] === '-' ? undefined : Number(lines[at])])));
      socket.end();
    });
  });
}
