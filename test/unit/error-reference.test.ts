/** The page of errors has a section for each code and none besides, with the values that proxies really answer. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { type ErrorCode, errorKinds, type Side } from '#core/error.ts';
import { headersOfReply, replyTo } from '#proxy/reply.ts';

const page = readFileSync(resolve(import.meta.dirname, '../../docs/reference/errors.md'), 'utf8');
const [, ...sections] = page.split(/^## /m);
const codes = Object.keys(errorKinds) as ErrorCode[];

const sides: Readonly<Record<Side, string>> = {
  downstream: 'the client',
  upstream: 'the upstream',
  mesh: 'the mesh and its configuration',
};

test('every code has its section, and the other way round', () => {
  assert.deepEqual(
    sections.map((section) => section.split('\n', 1)[0]),
    codes,
  );
});

for (const [at, code] of codes.entries()) {
  test(`${code}: what the page says is what is answered`, () => {
    const section = sections[at] ?? '';
    const row = /^\| (\d.*) \|$/m.exec(section)?.[1]?.split(' | ') ?? [];
    const [http, grpc, flag, details, side] = row.map((cell) => cell.replaceAll('`', ''));
    const { status, flag: sentFlag, details: sentDetails } = replyTo(code);
    assert.equal(Number(http), status);
    assert.equal(flag, sentFlag === '' ? '–' : sentFlag);
    assert.equal(details, sentDetails);
    const fields = headersOfReply(replyTo(code), true);
    assert.equal(grpc?.split(' ')[0], fields[fields.indexOf('grpc-status') + 1]);
    assert.equal(side, sides[errorKinds[code].side]);
    for (const part of ['Meaning', 'Likely cause', 'What to do']) {
      assert.match(section, new RegExp(`^- \\*\\*${part}\\*\\*: \\S(?:.|\\n  )+\\.$`, 'm'));
    }
  });
}
