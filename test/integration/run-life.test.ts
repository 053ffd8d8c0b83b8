/** The life of `heddle run`: exit codes, signals, streams, what starts and ends when, crashes, and what is left. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isAlive, type ProcessIdentity } from '#host/process-identity.ts';
import { eventually } from '../support/eventually.ts';
import { describeInNamespaces } from '../support/namespaces.ts';
import { descendantsOf } from '../support/process-tree.ts';
import { type RunChild, type RunControl, startControl, startRun, startRunChild } from '../support/run.ts';

const patient = { timeoutMs: 30_000 };

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

/** One below a process, by its command line. */
function childOf(pid: number, pattern: RegExp): Promise<ProcessIdentity> {
  return eventually(() => {
    const found = descendantsOf(pid).find((one) => pattern.test(commandLine(one.pid)));
    assert.ok(found, `no process like ${pattern} below ${pid}`);
    return found;
  }, patient);
}

/** But for what a slow machine makes people wait for. */
function complaints(run: RunChild): string {
  return run.stderr().replaceAll(/^.*waiting for the control plane.*\n/gm, '');
}

const sidecar = /main\.ts sidecar|heddle-proxy\.cjs sidecar/;
const giver = /socket-giver/;

describeInNamespaces('the life of heddle run', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  let control: RunControl;
  const ends: (() => void | Promise<void>)[] = [];
  before(async () => {
    const documents = `
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {selector: {app: reviews}, ports: [{name: http, port: 80, targetPort: 9080}]}
`;
    control = await startControl({ after: (end) => void ends.push(end as () => void) }, folder, {
      documents,
    });
  });
  after(async () => {
    for (const end of ends) await end();
    rmSync(folder, { recursive: true, force: true });
  });

  test('the exit code is the application’s, its streams are ours, and nothing of ours is in its environment', async (t) => {
    const script =
      'read line; echo "read $line"; echo error >&2; echo $(env | grep -o ^HEDDLE_[A-Z_]* | sort); pwd; echo "$0 $1"; exit 7';
    const run = await startRun(t, control, ['sh', '-c', script, '--help', '--port'], {
      input: 'a line\nmore\n',
    });
    assert.equal(await run.ended, 7, run.stderr());
    const inherited = Object.keys(process.env).filter((name) => name.startsWith('HEDDLE_'));
    assert.equal(
      run.stdout(),
      `read a line\n${inherited.sort().join(' ')}\n${process.cwd()}\n--help --port\n`,
    );
    assert.equal(complaints(run), 'error\n');
  });

  test('an application that a signal ends: 128 and its number', async (t) => {
    const run = await startRun(t, control, ['sh', '-c', 'kill -KILL $$']);
    assert.equal(await run.ended, 137, run.stderr());
  });

  test('signals reach the application, which decides', async (t) => {
    const script = `for (const name of ['SIGHUP', 'SIGUSR2', 'SIGINT']) process.on(name, () => console.log('heard', name));
      process.on('SIGTERM', () => { console.log('bye'); process.exit(3); });
      setInterval(() => {}, 1000); console.log('started');`;
    const run = await startRun(t, control, [process.execPath, '-e', script]);
    await run.says(/started/);
    for (const name of ['SIGHUP', 'SIGUSR2', 'SIGINT'] as const) {
      run.kill(name);
      await run.says(new RegExp(`heard ${name}`));
    }
    run.kill('SIGTERM');
    assert.equal(await run.ended, 3);
    assert.match(run.stdout(), /bye\n$/);
    assert.equal(complaints(run), '');
  });

  test('the token may be in a file, which is gone then, or the first line of the standard input', async (t) => {
    const file = join(folder, 'token');
    writeFileSync(file, await control.token(), { mode: 0o600 });
    const byFile = await startRun(t, control, ['true'], { flags: ['--token', file], token: '' });
    assert.equal(await byFile.ended, 0, byFile.stderr());
    assert.ok(!existsSync(file));
    const input = `${await control.token()}\nthe rest\n`;
    const byInput = await startRun(t, control, ['cat'], { flags: ['--token', '-'], token: '', input });
    assert.equal(await byInput.ended, 0, byInput.stderr());
    assert.equal(byInput.stdout(), 'the rest\n');
  });

  test('with --state the next one needs no token', async (t) => {
    const state = join(folder, 'kept');
    const first = await startRun(t, control, ['true'], { flags: ['--state', state] });
    assert.equal(await first.ended, 0, first.stderr());
    assert.equal(statSync(join(state, 'certificate', 'key.pem')).mode & 0o777, 0o600);
    const second = await startRun(t, control, ['echo', 'again'], { flags: ['--state', state], token: '' });
    assert.equal(await second.ended, 0, second.stderr());
    assert.equal(second.stdout(), 'again\n');
  });

  const refused: [name: string, flags: string[], command: string[], code: number, message: RegExp][] = [
    ['no such program', [], ['no-such-program'], 127, /there is no program no-such-program/],
    ['a file that may not be run', [], ['/etc/passwd'], 126, /\/etc\/passwd may not be run/],
    ['a service without a port', ['--service', 'a'], ['true'], 64, /--service needs a --port/],
    ['a port without a service', ['--port', '80'], ['true'], 64, /--port needs a --service/],
    [
      'a port that is none',
      ['--port', 'http:x'],
      ['true'],
      64,
      /a port is a number from 1 to 65535, not "x"/,
    ],
    [
      'a port twice',
      ['--service', 'a', '--port', 'http:80', '--port', 'http:81'],
      ['true'],
      64,
      /--port names http twice/,
    ],
    [
      'an address of another host',
      ['--address', '192.0.2.1', '--service', 'a', '--port', '0:80'],
      ['true'],
      1,
      /EADDRNOTAVAIL[\s\S]*--address/,
    ],
    [
      'a token that nobody knows',
      [],
      ['true'],
      1,
      /the sidecar cannot start: no certificate: .*token[\s\S]*heddle token create/,
    ],
  ];
  for (const [name, flags, command, code, message] of refused) {
    test(`refused: ${name}`, async (t) => {
      const run = await startRun(t, control, command, { flags, token: 'hjt_wrong' });
      assert.equal(await run.ended, code, run.stderr());
      assert.match(run.stderr(), message);
    });
  }

  test('refused: a port of this host that is taken, with what to write instead', async (t) => {
    const server = createServer().listen(0, '127.0.0.1');
    t.after(() => server.close());
    await eventually(() => assert.ok(server.address()));
    const { port } = server.address() as { port: number };
    const flags = ['--service', 'reviews', '--port', `http:${port}:9080`];
    const run = await startRun(t, control, ['true'], { flags });
    assert.equal(await run.ended, 1);
    assert.match(run.stderr(), new RegExp(`127.0.0.1:${port}: EADDRINUSE\n.*--port http:0:9080`));
  });

  test('refused where there can be no namespace, with the reason and the remedy', async (t) => {
    // A PATH without what it takes.
    const run = await startRun(t, control, ['/bin/true'], { env: { PATH: '/nowhere' } });
    const code = await run.ended;
    // Administrators' programs are looked for in well-known folders too.
    if (code === 0) return t.skip('all it takes is in the folders of administrators');
    assert.equal(code, 1);
    assert.match(
      run.stderr(),
      /there can be no network for an application here: .* not installed\n {2}install /,
    );
  });

  test('the application starts after the sidecar is ready, and ends before it', async (t) => {
    const log = join(folder, 'order.log');
    // Nobody is behind the service: it is the sidecar that answers, with 503.
    const last = 'curl -sS -o /dev/null -w "last %{http_code}\\n" http://reviews/; exit 0';
    const script = `sleep 1000 & trap '${last}' TERM; echo started; wait`;
    const run = await startRun(t, control, ['sh', '-c', script], { flags: ['--log-path', log] });
    await run.says(/started/);
    assert.match(readFileSync(log, 'utf8'), /proxy\.live/);
    const proxy = await childOf(run.pid, sidecar);
    run.kill('SIGTERM');
    assert.equal(await run.ended, 0, run.stderr());
    assert.match(run.stdout(), /last 503\n$/);
    assert.ok(!isAlive(proxy));
    assert.match(readFileSync(log, 'utf8'), /proxy\.draining/);
  });

  test('while the control plane cannot be reached nothing starts, and it can be interrupted', async (t) => {
    const away = { ...control, tlsAddress: '127.0.0.1:1' };
    const run = await startRun(t, away, ['echo', 'too early'], {});
    await run.says(/waiting for the control plane at 127\.0\.0\.1:1/);
    run.kill('SIGINT');
    assert.equal(await run.ended, 130);
    assert.equal(run.stdout(), '');
  });

  test('a sidecar that crashes comes back, without a token; the application stays', async (t) => {
    const script = `require('node:http').createServer((_, response) => response.end('here')).listen(9080, () => console.log('listens', process.pid));
      process.on('SIGTERM', () => process.exit(0));`;
    const flags = ['--service', 'reviews', '--port', 'http:0:9080', '--admin-address', '127.0.0.1:0'];
    const run = await startRun(t, control, [process.execPath, '-e', script], { flags });
    await run.says(/listens \d+/);
    const first = await childOf(run.pid, sidecar);
    process.kill(first.pid, 'SIGKILL');
    await run.says(/the sidecar has ended \(SIGKILL\), started again in 100 ms/);
    await eventually(() => assert.ok(!isAlive(first)), patient);
    const second = await childOf(run.pid, sidecar);
    assert.notEqual(second.pid, first.pid);
    const words = commandLine(second.pid);
    const [, admin] = /--admin-address (\S+)/.exec(words) ?? [];
    await eventually(async () => assert.equal((await fetch(`http://${admin}/ready`)).status, 200), patient);
    assert.equal(run.stdout().match(/listens/g)?.length, 1);
    run.kill('SIGTERM');
    assert.equal(await run.ended, 0);
  });

  test('what makes sockets is started again too', async (t) => {
    const run = await startRun(t, control, ['sh', '-c', 'echo started; sleep 1000']);
    await run.says(/started/);
    const first = await childOf(run.pid, giver);
    process.kill(first.pid, 'SIGKILL');
    await run.says(/what makes sockets for the sidecar has ended \(SIGKILL\), started again in 100 ms/);
    await eventually(() => assert.ok(!isAlive(first)), patient);
    await childOf(run.pid, giver);
    run.kill('SIGTERM');
    assert.equal(await run.ended, 143);
  });

  test('nothing is left at the end, also of what the application has left behind', async (t) => {
    const runtime = mkdtempSync(join(tmpdir(), 'heddle-test-'));
    t.after(() => rmSync(runtime, { recursive: true, force: true }));
    const run = await startRun(
      t,
      control,
      ['sh', '-c', 'sleep 1000 & setsid sleep 1000 & echo started; read x; exit 5'],
      {
        env: { XDG_RUNTIME_DIR: runtime },
        flags: ['--name', 'tidy'],
      },
    );
    await run.ended;
    assert.equal(await run.ended, 5, run.stderr());
    assert.deepEqual(readdirSync(runtime), []);
  });

  test('nothing is left after kill -9', async (t) => {
    const runtime = mkdtempSync(join(tmpdir(), 'heddle-test-'));
    t.after(() => rmSync(runtime, { recursive: true, force: true }));
    const run = await startRun(
      t,
      control,
      ['sh', '-c', 'sleep 1000 & setsid sleep 1001 & echo started; sleep 1002'],
      {
        env: { XDG_RUNTIME_DIR: runtime },
      },
    );
    await run.says(/started/);
    const all = descendantsOf(run.pid);
    assert.ok(all.length >= 6, `there are only ${all.length}`);
    run.kill('SIGKILL');
    await run.ended;
    await eventually(() => assert.deepEqual(all.filter(isAlive), []), patient);
    await eventually(() => assert.deepEqual(readdirSync(runtime), []), patient);
  });

  test('without root, as a user of this machine', {
    skip: process.getuid?.() !== 0 && 'is without root as it is',
  }, async (t) => {
    // As nobody, in a folder that nobody may enter.
    const means = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'];
    try {
      const [program, ...words] = [...means, 'unshare', '-Urn', 'true'];
      execFileSync(program!, words, { stdio: 'ignore' });
    } catch {
      return t.skip('nobody may not make user namespaces here');
    }
    const rootCert = join(folder, 'root-cert.pem');
    writeFileSync(rootCert, readFileSync(control.rootCert), { mode: 0o644 });
    const run = await startRun(
      t,
      { ...control, rootCert },
      ['sh', '-c', 'id -u; cat /proc/net/route | wc -l; exit 9'],
      {
        before: means,
      },
    );
    assert.equal(await run.ended, 9, run.stderr());
    assert.match(run.stdout(), /^65534\n/);
  });

  test('help names it, and its giver of sockets is not shown', async (t) => {
    const main = join(import.meta.dirname, '../../src/app/main.ts');
    const help = startRunChild(t, [process.execPath, main, '--help']);
    await help.ended;
    assert.match(help.stdout(), /\n {2}run /);
    assert.doesNotMatch(help.stdout(), /socket-giver/);
  });
});
