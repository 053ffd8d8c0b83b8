/** Programs that `heddle run` has brought into a mesh: they call by name and are called, under mutual TLS alone. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { anyFreePort } from '#host/free-port.ts';
import { isAlive, type ProcessIdentity } from '#host/process-identity.ts';
import { eventually } from '../support/eventually.ts';
import { ask, asker, greeter, greeterFlags } from '../support/joined-programs.ts';
import { describeInNamespaces } from '../support/namespaces.ts';
import { descendantsOf } from '../support/process-tree.ts';
import { type RunChild, type RunControl, type RunTest, startControl, startRun } from '../support/run.ts';

const patient = { timeoutMs: 30_000 };

const groupPort = await anyFreePort('127.0.0.1');

const documents = `
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {selector: {app: reviews}, ports: [{name: http, port: 80, targetPort: 9080}, {name: tcp-greeting, port: 7000}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
apiVersion: v1
kind: Service
metadata: {name: ratings}
spec: {selector: {app: ratings}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {name: ratings-vms}
spec:
  metadata: {labels: {app: ratings}}
  template: {serviceAccount: ratings, ports: {http: ${groupPort}}}
  probe: {periodSeconds: 1, httpGet: {path: /ready, port: ${groupPort}}}
`;

function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

function childOf(run: RunChild, verb: string): Promise<ProcessIdentity> {
  return eventually(() => {
    const found = descendantsOf(run.pid).find(({ pid }) => commandLine(pid).includes(verb));
    assert.ok(found, `no ${verb}`);
    return found;
  }, patient);
}

describeInNamespaces('programs in a mesh', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  const ends: (() => void | Promise<void>)[] = [];
  const whole: RunTest = { after: (end) => void ends.unshift(end as () => void) };
  let control: RunControl;
  let one: RunChild;
  let shopper: RunChild;
  const serve = async (t: RunTest, name: string): Promise<RunChild> => {
    const settings = { flags: greeterFlags('reviews', name), token: await control.token('reviews') };
    const run = await startRun(t, control, greeter(name), settings);
    await run.says(/listens/);
    return run;
  };
  /** Instances that answer. */
  const answering = async (): Promise<string[]> => {
    const said = await Promise.all(Array.from({ length: 12 }, () => ask(shopper, 'get http://reviews/')));
    return [...new Set(said.map((answer) => answer.split(' asked ')[0]!))].sort();
  };
  before(async () => {
    control = await startControl(whole, folder, { documents });
    one = await serve(whole, 'one');
    const token = await control.token('shopper');
    shopper = await startRun(whole, control, asker, {
      flags: ['--service-account', 'shopper'],
      token,
      asks: true,
    });
    await shopper.says(/asks/);
    await eventually(async () => assert.deepEqual(await answering(), ['200 one']), patient);
  });
  after(async () => {
    for (const end of ends) await end();
    rmSync(folder, { recursive: true, force: true });
  });

  test('HTTP by each of its names: under mutual TLS, and each sees who the other is', async () => {
    for (const url of [
      'http://reviews/',
      'http://reviews.default/',
      'http://reviews.default.svc.cluster.local:80/',
    ]) {
      assert.equal(
        await ask(shopper, `get ${url}`),
        '200 one asked by spiffe://cluster.local/ns/default/sa/shopper',
      );
    }
  });

  test('curl, with both versions of HTTP', async (t) => {
    const url = 'http://reviews/';
    const run = await startRun(t, control, [
      'curl',
      '-sS',
      url,
      '--next',
      '-sS',
      '--http2-prior-knowledge',
      url,
    ]);
    assert.equal(await run.ended, 0, run.stderr());
    assert.equal(run.stdout(), 'one asked by spiffe://cluster.local/ns/default/sa/default\n'.repeat(2));
  });

  test('a server that speaks first is heard', async () => {
    assert.equal(await ask(shopper, 'tcp reviews 7000'), 'welcome to one');
  });

  test('names are answered; the loopback interface is its own, and no datagram leaves', async (t) => {
    assert.match(await ask(shopper, 'lookup reviews'), /^\{"address":"10\.96\.\d+\.\d+","family":4\}$/);
    assert.equal(await ask(shopper, 'lookup no.such.svc.cluster.local'), 'ENOTFOUND');
    const outside = createServer((socket) => socket.end('outside')).listen(0, '127.0.0.1');
    t.after(() => outside.close());
    await eventually(() => assert.ok(outside.address()));
    const { port } = outside.address() as { port: number };
    assert.equal(await ask(shopper, `tcp 127.0.0.1 ${port}`), 'ECONNREFUSED');
    assert.equal(await ask(shopper, 'udp 192.0.2.9 4433'), 'ECONNREFUSED');
  });

  test('who is no member is not let in', async () => {
    const words = commandLine((await childOf(one, 'sidecar')).pid);
    const metadata = JSON.parse(words[words.indexOf('--metadata') + 1]!) as {
      HEDDLE_REGISTRATION: { ports: { hostPort: number }[] };
    };
    const ports = metadata.HEDDLE_REGISTRATION.ports.map(({ hostPort }) => hostPort);
    assert.equal(ports.length, 2);
    for (const port of ports) {
      await assert.rejects(fetch(`http://127.0.0.1:${port}/`), ({ cause }: Error) => {
        assert.match((cause as NodeJS.ErrnoException).code!, /ECONNRESET|UND_ERR_SOCKET/);
        return true;
      });
    }
  });

  test('an instance is sent requests once it listens, and none any more before it ends: none is lost', async (t) => {
    const second = await serve(t, 'two');
    await eventually(async () => assert.deepEqual(await answering(), ['200 one', '200 two']), patient);
    let under = true;
    const answers: string[] = [];
    const load = (async () => {
      while (under)
        answers.push(...(await Promise.all([1, 2, 3].map(() => ask(shopper, 'get http://reviews/')))));
    })();
    second.kill('SIGTERM');
    assert.equal(await second.ended, 0);
    assert.deepEqual(await answering(), ['200 one']);
    under = false;
    await load;
    assert.ok(answers.length > 0);
    assert.deepEqual(
      answers.filter((answer) => !answer.startsWith('200 ')),
      [],
    );
  });

  test('an instance that does not listen yet is sent nothing', async (t) => {
    const flags = greeterFlags('reviews', 'deaf');
    const deaf = await startRun(t, control, ['sh', '-c', 'echo deaf; sleep 1000'], {
      flags,
      token: await control.token('reviews'),
    });
    await deaf.says(/deaf/);
    assert.deepEqual(await answering(), ['200 one']);
  });

  test('a member of a group serves what the group says, once its probe in there has passed', async (t) => {
    const script = `let ready = false;
      process.on('SIGHUP', () => (ready = true)).on('SIGTERM', () => process.exit(0));
      require('node:http').createServer((request, response) => {
        if (request.url === '/ready') response.statusCode = ready ? 200 : 503;
        response.end('ratings');
      }).listen(${groupPort}, () => console.log('listens'));`;
    const member = await startRun(t, control, [process.execPath, '-e', script], {
      flags: ['--group', 'ratings-vms', '--service-account', 'ratings'],
      token: await control.token('ratings'),
    });
    await member.says(/listens/);
    assert.match(await ask(shopper, 'get http://ratings/'), /^503 /);
    member.kill('SIGHUP');
    await eventually(
      async () => assert.equal(await ask(shopper, 'get http://ratings/'), '200 ratings'),
      patient,
    );
    member.kill('SIGTERM');
    assert.equal(await member.ended, 0, member.stderr());
  });

  test('sockets to the application are made anew after their giver has crashed', async () => {
    const giver = await childOf(one, 'socket-giver');
    process.kill(giver.pid, 'SIGKILL');
    await eventually(() => assert.ok(!isAlive(giver)), patient);
    // More than there are in stock, each by a connection of its own.
    for (let round = 0; round < 10; round++) {
      const said = await Promise.all(Array.from({ length: 10 }, () => ask(shopper, 'tcp reviews 7000')));
      assert.deepEqual([...new Set(said)], ['welcome to one']);
    }
  });

  test('a sidecar that crashes comes back, and what it serves with it', async () => {
    for (const run of [one, shopper]) {
      const sidecar = await childOf(run, 'sidecar');
      process.kill(sidecar.pid, 'SIGKILL');
      await eventually(() => assert.ok(!isAlive(sidecar)), patient);
      await eventually(async () => assert.deepEqual(await answering(), ['200 one']), patient);
      assert.equal(await ask(shopper, 'tcp reviews 7000'), 'welcome to one');
    }
    assert.equal(one.stdout().match(/listens/g)?.length, 1);
  });
});
