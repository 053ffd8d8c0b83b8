/**
 * Runs in a network namespace of its own, where connections to port 8080 are redirected to a listener:
 * prints what came of each, one JSON line. Started by original-destination.test.ts.
 */
import { connect } from 'node:net';
import { originalDestination } from '#host/original-destination.ts';
import { bootstrap, startDataPath } from './data-path.ts';
import { accessLog, answering, chain, getOnce, ipAddress, listener, originalDst } from './listener.ts';

const endings: (() => unknown)[] = [];
const t = { after: (run: () => unknown) => void endings.push(run) };

const log = accessLog('%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_DIRECT_LOCAL_ADDRESS%');
const logged = (name: string): object[] => [
  chain(name, undefined, { filters: [answering(name, { access_log: log })] }),
];
const unbound = (name: string, address: string): string =>
  listener(name, logged(name) as never, { address: ipAddress(address, 8080), bind_to_port: false });

const path = await startDataPath(
  t,
  bootstrap(
    [
      listener('capture', logged('capture') as never, {
        address: ipAddress('::', 15_001, { ipv4_compat: true }),
        use_original_dst: true,
        listener_filters: [originalDst()],
      }),
      unbound('four', '10.9.9.9'),
      unbound('six', 'fd00::9'),
    ],
    [],
  ),
  undefined,
  undefined,
  { originalDestination },
);

function ask(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let text = '';
    socket.on('data', (data) => (text += data.toString('latin1')));
    socket.on('error', reject);
    socket.on('close', () => resolve(text.slice(text.indexOf('\r\n\r\n') + 4)));
    socket.write(getOnce);
  });
}

for (const [host, port] of [
  ['10.9.9.9', 8080],
  ['10.9.9.8', 8080],
  ['fd00::9', 8080],
  ['127.0.0.1', 15_001],
  ['::1', 15_001],
] as const) {
  const before = path.lines.length;
  const body = await ask(host, port);
  console.log(JSON.stringify({ host, port, body, line: path.lines[before]?.trim() }));
}
for (const end of endings) await end();
