/**
 * The same bootstrap run by Heddle and by Envoy gives the same answers, byte by byte but for what no
 * two runs share. What differs on purpose is in docs/differences-from-envoy.md and nowhere else.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, describe, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { requirePeer } from '../support/peer.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type CompareCase, cases, TEST_ID } from './compare/cases.ts';
import { exchange, type Result } from './compare/client.ts';
import { differences } from './compare/differences.ts';
import { type Subject, startSubject } from './compare/subject.ts';

const root = resolve(import.meta.dirname, '../..');
const template = readFileSync(join(import.meta.dirname, 'compare/bootstrap.yaml'), 'utf8');
const probe = 'GET /status/200 HTTP/1.1\r\nhost: test.example\r\n\r\n';
const TIMEOUT_MS = 5000;

describe('the same bootstrap run by Heddle and by Envoy', () => {
  let subjects: Promise<{ heddle: Subject; envoy: Subject }> | undefined;
  const folder = tempDir({ after: (remove) => after(remove as () => void) });

  async function start(envoyProgram: string): Promise<{ heddle: Subject; envoy: Subject }> {
    const at = (name: string): string => {
      mkdirSync(join(folder, name), { recursive: true });
      return join(folder, name);
    };
    const [heddle, envoy] = await Promise.all([
      startSubject({
        folder: at('heddle'),
        template,
        command: [process.execPath, join(root, 'src/app/main.ts'), 'proxy'],
      }),
      startSubject({
        folder: at('envoy'),
        template,
        command: [envoyProgram, '--concurrency', '1', '--disable-hot-restart', '-l', 'error'],
      }),
    ]);
    return { heddle, envoy };
  }

  after(async () => {
    if (subjects === undefined) return;
    const { heddle, envoy } = await subjects;
    await Promise.all([heddle.stop(), envoy.stop()]);
  });

  for (const [index, row] of cases.entries()) {
    test(row.name, async (t) => {
      const program = requirePeer(t, 'envoy');
      if (program === undefined) return;
      subjects ??= start(program);
      const { heddle, envoy } = await subjects;
      const id = `case-${index}`;
      const [ours, theirs] = await Promise.all([run(heddle, row, id), run(envoy, row, id)]);
      const known = differences.find(({ cases: names }) => names.includes(row.name));
      if (known === undefined) assert.deepEqual(ours, theirs);
      else {
        assert.notDeepEqual(ours, theirs, 'a difference that is none any more leaves the list');
        assert.deepEqual(ours, known.heddle(theirs), `differs as the list says: ${known.why}`);
      }
      if (known === undefined && row.logMayDiffer === undefined) await sameLog(heddle, envoy, id);
    });
  }
});

async function run(subject: Subject, row: CompareCase, id: string): Promise<Result> {
  const steps = typeof row.steps === 'function' ? row.steps(subject.backend, id) : row.steps;
  return exchange({
    port: subject.port(row.listener),
    steps: steps.map((step) => (typeof step === 'string' ? step.replaceAll(TEST_ID, id) : step)),
    methods: row.methods ?? ['GET'],
    probe,
    timeoutMs: TIMEOUT_MS,
  });
}

/** The line of one request is the same in both access logs, where the request got so far as to have one. */
async function sameLog(heddle: Subject, envoy: Subject, id: string): Promise<void> {
  const lineOf = (subject: Subject): string | undefined =>
    subject.log().find((line) => line.startsWith(`${id} `));
  await eventually(() => assert.equal(lineOf(heddle), lineOf(envoy)), { timeoutMs: 2000 });
}
