/** What crosses the bridge of a captured mesh, as tcpdump sees it there: TLS between Pods, and no service's name. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import {
  type CapturedPrograms,
  ownApplication,
  startCapturedPrograms,
} from '../support/captured-programs.ts';
import { eventually } from '../support/eventually.ts';
import { describeInNamespaces } from '../support/namespaces.ts';
import { type Flow, readFlows } from '../support/packets.ts';
import { findPeer, requirePeer } from '../support/peer.ts';
import { workload } from '../support/small-mesh.ts';

/** What must not be seen, and what may: it goes to a Pod that is called by its address, which wants TLS and refuses it. */
const secret = 'nobody-but-the-two-may-read-this';
const open = 'anybody-may-read-this';
const outsideName = 'elsewhere.example';

const http = 8080;
const tcp = 7000;
const echo = "require('net').createServer((socket) => socket.pipe(socket)).listen(7000)";
const say = `
const text = require('fs').readFileSync(0, 'utf8');
let heard = '';
const socket = require('net').connect(7000, 'echo', () => socket.write(text));
socket.on('data', (data) => { heard += data; if (heard.length >= text.length) socket.end(); });
socket.on('close', () => console.log(heard === text));`;

describeInNamespaces('the wire of a captured mesh', ({ kind, programs: { nsenter } }) => {
  const program = findPeer('tcpdump');
  let programs: CapturedPrograms;
  let tcpdump: ChildProcess | undefined;
  const captured: Buffer[] = [];
  before(async () => {
    const images = { 'back:1': ownApplication('witness.ts'), 'echo:1': [process.execPath, '-e', echo] };
    const documents = [
      workload({
        name: 'back',
        replicas: 2,
        ports: `[{name: http, port: 80, targetPort: ${http}}]`,
        container: `image: back:1\nports: [{containerPort: ${http}}]`,
      }),
      workload({
        name: 'echo',
        ports: `[{name: tcp, port: ${tcp}}]`,
        container: `image: echo:1\nports: [{containerPort: ${tcp}}]`,
      }),
    ];
    programs = await startCapturedPrograms(images, documents.join(''));
    // It gives up the rights of root, which only root can.
    if (program !== undefined && kind === 'root') await startCapture(program);
  });
  after(async () => {
    if (tcpdump?.kill() === true) await once(tcpdump, 'close');
    await programs?.stop();
  });

  /** Beside the bridge, where the control plane is. */
  async function startCapture(file: string): Promise<void> {
    const { pid } = programs.mesh.processOf('control');
    const words = ['-i', 'mesh', '-n', '-U', '--immediate-mode', '-B', '32768', '-w', '-'];
    const child = spawn(nsenter, ['--target', String(pid), '--net', '--', file, ...words]);
    tcpdump = child;
    child.stdout.on('data', (bytes: Buffer) => captured.push(bytes));
    const said: Buffer[] = [];
    child.stderr.on('data', (bytes: Buffer) => said.push(bytes));
    await eventually(() => assert.match(Buffer.concat(said).toString(), /listening on mesh/), {
      until: () => child.exitCode !== null,
    });
  }

  test('TLS alone between Pods, and names that are not services', async (t) => {
    const curl = requirePeer(t, 'curl');
    if (requirePeer(t, 'tcpdump') === undefined || curl === undefined) return;
    if (kind !== 'root') return t.skip('only root may run tcpdump in a namespace');
    const post = (url: string, text: string): Promise<{ readonly stdout: string }> =>
      programs.attempt([curl, '-sS', '--data-binary', '@-', url], { input: text });
    for (const text of [secret, `${secret}, `.repeat(10_000)]) {
      for (let i = 0; i < 4; i++) assert.match((await post('http://back/', text)).stdout, /sa\/front/);
      assert.equal(await programs.run([process.execPath, '-e', say], { input: text }), 'true\n');
    }
    // That such things would be seen.
    const [instance] = programs.mesh.instancesOf('back');
    assert.doesNotMatch((await post(`http://${instance!.meshAddress}:${http}/`, open)).stdout, /caller/);
    await programs.attempt(['getent', 'ahosts', outsideName]);
    await eventually(() => assert.ok(Buffer.concat(captured).includes('elsewhere')));

    const file = Buffer.concat(captured);
    assert.ok(file.includes(open) && !file.includes(secret.slice(0, 16)));
    const flows = readFlows(file);
    const ofPods = flows.filter(isTcp).filter(({ from, to }) => isPod(from) && isPod(to));
    const refused = ofPods.filter(({ bytes }) => bytes.includes(open));
    const secured = ofPods.filter((flow) => !refused.some((call) => call === flow || isAnswerTo(call, flow)));
    for (const flow of secured) assertTls(flow);
    for (const port of [http, tcp]) {
      const calls = secured.filter(({ to }) => to.endsWith(`:${port}`));
      assert.ok(calls.length > 0);
      for (const { bytes } of calls) assert.equal(bytes[TLS_HEADER_BYTES], CLIENT_HELLO);
    }
    const questions = flows.filter(({ to }) => to.endsWith(':53'));
    assert.ok(questions.some(({ bytes }) => bytes.includes('elsewhere')));
    for (const { bytes } of questions) assert.doesNotMatch(bytes.toString('latin1'), /back|echo|cluster/);
  });
});

const isPod = (address: string): boolean => address.startsWith('10.244.1.');
const isTcp = ({ protocol }: Flow): boolean => protocol === 'tcp';
const isAnswerTo = (call: Flow, { from, to }: Flow): boolean => from === call.to && to === call.from;

const TLS_HEADER_BYTES = 5;
const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const recordTypes = [20, 21, HANDSHAKE, 23];

/** Records of TLS from the first byte on, of which the last one may not be there in full (RFC 8446 §5.1). */
function assertTls({ from, to, bytes }: Flow): void {
  assert.equal(bytes[0], HANDSHAKE, `${from} to ${to}`);
  let at = 0;
  for (; at + TLS_HEADER_BYTES <= bytes.length; at += TLS_HEADER_BYTES + bytes.readUInt16BE(at + 3)) {
    const header = bytes.subarray(at, at + TLS_HEADER_BYTES);
    const isRecord = recordTypes.includes(header[0]!) && header[1] === 3;
    assert.ok(isRecord, `${from} to ${to}, at ${at}: ${header.toString('hex')}`);
  }
}
