/** Child processes: what the runner starts ends with it, however the runner ends. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sessionProcesses } from '#host/listening.ts';
import { Child, SECRET_FD } from '#host/process.ts';
import { identifyProcess, isAlive, type ProcessIdentity } from '#host/process-identity.ts';
import { Watchdog } from '#host/watchdog.ts';
import { eventually } from '../support/eventually.ts';
import { tempDir } from '../support/temp-dir.ts';

const env = { PATH: process.env.PATH ?? '' };

test('a child has its own session, its secret on a descriptor, its output in its file', async (t) => {
  const directory = tempDir(t);
  const watchdog = new Watchdog();
  t.after(() => watchdog.close());
  const script = `const { readFileSync } = require('node:fs');
    console.log(readFileSync(${SECRET_FD}, 'utf8'));
    console.error('to stderr');`;
  const log = join(directory, 'logs', 'a.log');
  const child = new Child(
    {
      command: [process.execPath, '-e', script],
      env,
      workingDirectory: directory,
      logPath: log,
      secret: 'open sesame',
    },
    watchdog,
  );
  const end = await child.ended;
  assert.deepEqual(end, { code: 0, signal: undefined, error: undefined, logStart: 0 });
  assert.equal(readFileSync(log, 'utf8'), 'open sesame\nto stderr\n');
});

test('a program that is not there is an end with a reason', async (t) => {
  const directory = tempDir(t);
  const watchdog = new Watchdog();
  t.after(() => watchdog.close());
  const child = new Child(
    { command: ['no-such-program'], env, workingDirectory: directory, logPath: join(directory, 'a.log') },
    watchdog,
  );
  assert.match((await child.ended).error!, /no-such-program ENOENT/);
});

test('stop ends what the child has started, and what does not want to end', async (t) => {
  const directory = tempDir(t);
  const watchdog = new Watchdog();
  t.after(() => watchdog.close());
  const child = new Child(
    {
      command: ['/bin/sh', '-c', "trap '' TERM; sleep 1000 & wait; wait; sleep 1000"],
      env,
      workingDirectory: directory,
      logPath: join(directory, 'a.log'),
    },
    watchdog,
  );
  await eventually(() => assert.equal(sessionProcesses(child.pid!).length, 2));
  const end = await child.stop(100);
  assert.equal(end.signal, 'SIGKILL');
  await eventually(() => assert.deepEqual(sessionProcesses(child.pid!), []));
});

test('when the runner is killed, the watchdog ends its children', async (t) => {
  const directory = tempDir(t);
  const runner = join(directory, 'runner.mjs');
  const root = join(import.meta.dirname, '../..');
  writeFileSync(
    runner,
    `import { Child } from '${root}/src/host/process.ts';
     import { Watchdog } from '${root}/src/host/watchdog.ts';
     const watchdog = new Watchdog();
     const start = (command) => new Child({ command, env: process.env, workingDirectory: '.', logPath: '${directory}/a.log' }, watchdog);
     const polite = start(['sleep', '1000']);
     const stubborn = start(['/bin/sh', '-c', "trap '' TERM; sleep 1000; sleep 1000"]);
     const forgotten = start(['true']);
     await forgotten.ended;
     console.log(JSON.stringify([polite.pid, stubborn.pid, watchdog.pid]));
     setInterval(() => {}, 1000);`,
  );
  const process_ = spawn(process.execPath, [runner], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => process_.kill('SIGKILL'));
  const [line] = await Array.fromAsync(firstChunk(process_.stdout));
  const identities = (JSON.parse(line!) as number[]).map((pid) => identifyProcess(pid));
  assert.ok(identities.every((identity): identity is ProcessIdentity => identity !== undefined));
  process_.kill('SIGKILL');
  await eventually(() =>
    assert.deepEqual(
      identities.filter((identity) => isAlive(identity!)),
      [],
    ),
  );
});

async function* firstChunk(stream: NodeJS.ReadableStream): AsyncGenerator<string> {
  for await (const chunk of stream) {
    yield String(chunk);
    return;
  }
}
