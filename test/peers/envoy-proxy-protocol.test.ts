/**
 * PROXY headers beside Envoy: whole ones and ones with a few bytes changed by chance. Who is let in, and
 * under which addresses, must be the same. The seed is printed; HEDDLE_SEED runs one again.
 */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { seededRandom } from '#core/random.ts';
import { bootstrap, startDataPath } from '../support/data-path.ts';
import { startEnvoy } from '../support/envoy.ts';
import { eventually } from '../support/eventually.ts';
import { answering, chain, getOnce, listener, proxyLine, proxyProtocol } from '../support/listener.ts';
import { requirePeer } from '../support/peer.ts';

const HEADERS = 400;

const seed = Number(process.env.HEDDLE_SEED ?? Date.now() % 1_000_000);
const random = seededRandom(seed);
const below = (n: number): number => Math.floor(random.ratio() * n);
const oneOf = <T>(values: readonly T[]): T => values[below(values.length)]!;

const v2 = (command: number, family: number, payload: string): string =>
  `\r\n\r\n\0\r\nQUIT\n${String.fromCharCode(command, family, payload.length >> 8, payload.length & 0xff)}${payload}`;
const four = '\x01\x02\x03\x04\x05\x06\x07\x08\x10\x00\x00\x50';
const six = `\x20\x01${'\0'.repeat(13)}\x01\x20\x01${'\0'.repeat(13)}\x02\x10\x00\x00\x50`;
const value = '\xe0\x00\x05hello';

const whole: readonly string[] = [
  proxyLine('1.2.3.4', '5.6.7.8'),
  proxyLine('2001:db8::1', '2001:db8::2'),
  'PROXY UNKNOWN\r\n',
  'PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n',
  v2(0x21, 0x11, four),
  v2(0x21, 0x12, four + value),
  v2(0x21, 0x21, six),
  v2(0x21, 0x21, six + value + value),
  v2(0x20, 0x00, ''),
  v2(0x20, 0x11, four),
  v2(0x21, 0x31, 'x'.repeat(216)),
  '',
];

/** In a line of version 1 what people and programs get wrong; in version 2 anything. */
function mutate(header: string): string {
  let text = header;
  for (let n = below(4); n > 0 && text !== ''; n--) {
    const at = below(text.length);
    const byte = header.startsWith('P')
      ? oneOf([...'0123456789.: TCPUX46fa\t\r\n'])
      : String.fromCharCode(below(256));
    text = `${text.slice(0, at)}${oneOf(['', byte, byte, byte])}${text.slice(at + oneOf([0, 1, 1]))}`;
  }
  return text;
}

/** Longer than listener filters wait. */
const SILENCE_MS = 3000;

/** @returns local port, and whether an answer came. */
function send(port: number, header: string): Promise<{ readonly own: number; readonly answered: boolean }> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    let own = 0;
    let text = '';
    socket.on('connect', () => {
      own = socket.localPort ?? 0;
      socket.write(header + getOnce, 'latin1');
    });
    socket.on('data', (data) => {
      text += data.toString('latin1');
      socket.destroy();
    });
    // A length may have grown over the beginning of the request: what is left is none, and both wait for more.
    socket.setTimeout(SILENCE_MS, () => socket.destroy());
    socket.on('end', () => socket.destroy());
    socket.on('error', () => {});
    socket.on('close', () => resolve({ own, answered: text.startsWith('HTTP/1.1 200') }));
  });
}

const format =
  '%DOWNSTREAM_DIRECT_REMOTE_PORT% %DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%';

test(`headers with changes by chance are judged alike (seed ${seed})`, async (t) => {
  const program = requirePeer(t, 'envoy');
  if (program === undefined) return;
  const access_log = [
    {
      name: 'log',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
        path: '@LOG@',
        log_format: { text_format_source: { inline_string: `${format}\n` } },
      },
    },
  ];
  const listeners = [false, true].map((optional) =>
    listener(
      optional ? 'optional' : 'required',
      [chain('main', undefined, { filters: [answering('yes', { access_log })] })],
      {
        listener_filters: [proxyProtocol({ allow_requests_without_proxy_protocol: optional })],
        listener_filters_timeout: '0.5s',
      },
    ),
  );
  const text = bootstrap(listeners, []);
  const envoy = await startEnvoy(t, program, text);
  const path = await startDataPath(t, text);
  const headers = [...whole, ...Array.from({ length: HEADERS - whole.length }, () => mutate(oneOf(whole)))];
  const counters = ['versions.v1.found', 'versions.v1.error', 'versions.v2.found', 'versions.v2.error'];
  let served = 0;
  for (const name of ['required', 'optional']) {
    /** What came of each header: the addresses it was served under, or nothing. */
    const judge = async (port: number, lines: () => readonly string[]): Promise<string[]> => {
      const sent = await Promise.all(headers.map((header) => send(port, header)));
      return eventually(() => {
        const all = lines();
        return sent.map(({ own, answered }) => {
          if (!answered) return 'closed';
          const line = all.findLast((one) => one.startsWith(`${own} `))?.trim();
          assert.ok(line !== undefined, `no line of ${own}`);
          return line.replaceAll(new RegExp(`^${own} |127\\.0\\.0\\.1:${own}`, 'g'), '');
        });
      });
    };
    const theirs = await judge(envoy.port(name), () => envoy.lines());
    const ours = await judge(path.port(name), () => path.lines);
    headers.forEach((header, i) => {
      assert.equal(ours[i], theirs[i], `seed ${seed}, ${name}: ${JSON.stringify(header)}`);
      if (ours[i] !== 'closed') served++;
    });
  }
  for (const counter of counters) {
    assert.equal(path.stat(`proxy_proto.${counter}`), await envoy.stat(`proxy_proto.${counter}`), counter);
  }
  t.diagnostic(`${served} of ${2 * HEADERS} were let in`);
});
