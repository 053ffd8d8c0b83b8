/** Leads connections on, from its own address: the first line says where to, `ADDRESS PORT`. */
import { connect, createServer } from 'node:net';

const server = createServer({ allowHalfOpen: true }, (near) => {
  near.on('error', () => near.destroy());
  near.once('data', (first: Buffer) => {
    near.pause();
    const end = first.indexOf('\n');
    const [host = '', port] = first.toString('latin1', 0, end).split(' ');
    const far = connect({ host, port: Number(port), allowHalfOpen: true });
    far.on('error', () => near.resetAndDestroy());
    near.on('error', () => far.resetAndDestroy());
    far.write(first.subarray(end + 1));
    near.pipe(far);
    far.pipe(near);
  });
});
server.listen(9000, process.env.HOST);
process.on('SIGTERM', () => process.exit());
