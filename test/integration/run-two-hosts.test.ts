/** Two hosts and a third with the control plane, made of namespaces on a bridge: `heddle run` on both, and one that is cut off. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { MeshNetwork } from '#host/network/mesh-network.ts';
import type { Namespace } from '#host/network/namespace.ts';
import { eventually } from '../support/eventually.ts';
import { ask, asker, greeter, greeterFlags } from '../support/joined-programs.ts';
import { describeInNamespaces } from '../support/namespaces.ts';
import {
  type RunChild,
  type RunControl,
  type RunTest,
  startControl,
  startRun,
  startRunChild,
} from '../support/run.ts';

const patient = { timeoutMs: 60_000 };

const documents = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
`;

/** Last numbers of addresses, and names of interfaces on the bridge. */
const hosts = { control: 2, left: 11, right: 12, outside: 13 } as const;
type Host = keyof typeof hosts;
const addressOf = (host: Host): string => `10.78.0.${hosts[host]}`;

describeInNamespaces('two hosts', (means) => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  const ends: (() => void | Promise<void>)[] = [];
  const whole: RunTest = { after: (end) => void ends.unshift(end as () => void) };
  let network: MeshNetwork;
  const namespaces = new Map<Host, Namespace>();
  let control: RunControl;
  const askers = new Map<Host, RunChild>();
  const on = (host: Host): string[] => namespaces.get(host)!.enter(process.cwd());
  before(async () => {
    network = await MeshNetwork.open(means, { ipv4: '10.78.0.1', ipv6: 'fd78::1' });
    whole.after(() => network.close());
    for (const host of Object.keys(hosts) as Host[]) {
      const addresses = { ipv4: addressOf(host), ipv6: `fd78::${hosts[host]}` };
      namespaces.set(host, await network.addPod(host, addresses, []));
      whole.after(() => network.removePod(host, namespaces.get(host)!));
    }
    control = await startControl(whole, folder, {
      documents,
      before: on('control'),
      address: addressOf('control'),
      tlsPort: 15_012,
    });
    for (const host of ['left', 'right'] as const) {
      const served = { flags: greeterFlags(host, host), token: await control.token(host), before: on(host) };
      await (await startRun(whole, control, greeter(host), served)).says(/listens/);
      const flags = ['--service-account', `${host}-asker`, '--name', `${host}-asker`];
      const token = await control.token(`${host}-asker`);
      const asking = await startRun(whole, control, asker, { flags, token, before: on(host), asks: true });
      await asking.says(/asks/);
      askers.set(host, asking);
    }
  });
  after(async () => {
    for (const end of ends) await end();
    rmSync(folder, { recursive: true, force: true });
  });

  /** By a name that nobody wrote a Service for: they have registered as instances of it. */
  const bothWays = async (): Promise<void> => {
    for (const [from, to] of [
      ['left', 'right'],
      ['right', 'left'],
    ] as const) {
      assert.equal(
        await ask(askers.get(from)!, `get http://${to}:9080/`),
        `200 ${to} asked by spiffe://cluster.local/ns/default/sa/${from}-asker`,
      );
      assert.equal(await ask(askers.get(from)!, `tcp ${to} 7000`), `welcome to ${to}`);
    }
  };

  test('traffic goes both ways, by name and under mutual TLS', async () => {
    await eventually(bothWays, patient);
  });

  test('what is not the mesh’s is reached from the host itself', async (t) => {
    const script = `require('node:net').createServer((socket) => socket.end('seen ' + socket.remoteAddress)).listen(7777, '0.0.0.0', () => console.log('listens'))`;
    const outside = startRunChild(t, [...on('outside'), process.execPath, '-e', script]);
    await outside.says(/listens/);
    assert.equal(
      await ask(askers.get('left')!, `tcp ${addressOf('outside')} 7777`),
      `seen ${addressOf('left')}`,
    );
  });

  test('nobody comes to an application but by its sidecar', async (t) => {
    const script = `for (const port of [9080, 7000]) require('node:net').connect(port, process.argv[1]).on('error', ({ code }) => console.log(port, code)).on('connect', () => console.log(port, 'connected'))`;
    const outside = startRunChild(t, [...on('outside'), process.execPath, '-e', script, addressOf('right')]);
    assert.equal(await outside.ended, 0);
    assert.deepEqual(outside.stdout().trim().split('\n').sort(), ['7000 ECONNREFUSED', '9080 ECONNREFUSED']);
  });

  test('a host that is cut off, and back: traffic recovers by itself', async () => {
    await bothWays();
    const link = (state: string): Promise<string> =>
      network.hub.do([means.programs.ip, 'link', 'set', 'dev', 'right', state]);
    await link('down');
    await eventually(async () => {
      assert.match(
        await ask(askers.get('left')!, 'get http://right:9080/'),
        /^503|TimeoutError|ECONNRE|ENOTFOUND|UND_ERR/,
      );
    }, patient);
    // What is on its own host needs no link.
    assert.match(await ask(askers.get('left')!, 'get http://left:9080/'), /^200 left/);
    await link('up');
    await eventually(bothWays, { timeoutMs: 120_000 });
  });
});
