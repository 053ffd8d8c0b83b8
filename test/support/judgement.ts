/** What a proxy makes of what is asked beside what a configuration says of it, and beside what another makes of it. */
import assert from 'node:assert/strict';
import {
  type Asked,
  type AskedOften,
  type Configuration,
  type Expected,
  hostOf,
} from '../peers/configurations/configuration.ts';
import { eventually } from './eventually.ts';
import type { Judged, Seen } from './judged-client.ts';
import type { JudgedMesh } from './judged-mesh.ts';
import { tally } from './tally.ts';

/**
 * Asks both makes all that a configuration asks, and fails where one does not do what it says, or they differ.
 *
 * @returns how many questions each make was asked
 */
export async function judge(mesh: JudgedMesh, configuration: Configuration): Promise<number> {
  let questions = 0;
  for (const kind of ['sidecar', 'gateway'] as const) {
    if (configuration.through !== 'both' && configuration.through !== kind) continue;
    for (const asked of configuration.asked) {
      questions++;
      const what = JSON.stringify(asked.ask ?? asked.call);
      const found: unknown[] = [];
      for (const judged of mesh.proxies.filter((one) => one.kind === kind)) {
        const answer = await judgeOne(mesh, configuration, judged, asked).catch((cause: unknown) => {
          const said = cause instanceof Error ? cause.message : String(cause);
          throw new Error(`${judged.make} ${kind}, ${what}: ${said}`, { cause });
        });
        found.push(answer);
      }
      assert.deepEqual(found[0], found[1], `${kind}, ${what}: a Heddle and an Envoy differ`);
    }
  }
  return questions;
}

/** @returns what the other make's must be equal to */
async function judgeOne(
  { client, places }: JudgedMesh,
  configuration: Configuration,
  judged: Judged,
  asked: Asked,
): Promise<unknown> {
  const name = hostOf(configuration);
  const own = judged.kind === 'sidecar' ? name : `${name}.example.com`;
  const words = { host: own, make: judged.make, outside: String(places.outsidePort) };
  const fill = <T>(value: T): T =>
    JSON.parse(
      JSON.stringify(value).replaceAll(
        /<(host|make|outside)>/g,
        (_, word: string) => words[word as keyof typeof words],
      ),
    ) as T;
  const { call } = asked;
  const once = (): Promise<Seen> =>
    call === undefined
      ? client.ask(judged, fill({ host: '<host>', ...asked.ask }))
      : client.call(judged, fill({ host: '<host>', ...call }));
  if ('times' in asked) return judgeMany(once, asked);
  const judgeSeen = async (): Promise<unknown> => {
    const seen = await once();
    await assertSeen(seen, asked.see, fill);
    return comparable(seen, asked.see);
  };
  return configuration.settles === true ? eventually(judgeSeen, { everyMs: 100 }) : judgeSeen();
}

/** Standard deviations that chance may be away from the share. */
const deviations = 4;

async function judgeMany(once: () => Promise<Seen>, asked: AskedOften): Promise<unknown> {
  const { times, together = false, statuses = false, settles = false, counts, shares, alike } = asked;
  const word = async (): Promise<string> => {
    const { status, echo, body } = await once();
    if (statuses) return String(status);
    return [status, echo?.who ?? (asked.call === undefined ? undefined : body.split(' ')[0])]
      .filter((part) => part !== undefined && part !== '')
      .join(' ');
  };
  const count = async (): Promise<Record<string, number>> => {
    const found: Record<string, number> = {};
    const add = (one: string): void => {
      found[one] = (found[one] ?? 0) + 1;
    };
    if (together) for (const one of await Promise.all(Array.from({ length: times }, word))) add(one);
    else if (shares !== undefined) return Object.fromEntries(await tally(times, word));
    else for (let i = 0; i < times; i++) add(await word());
    return found;
  };
  if (settles) await eventually(async () => assert.deepEqual(await count(), counts));
  const found = await count();
  if (counts !== undefined) assert.deepEqual(found, counts);
  if (alike !== undefined) {
    assert.equal(Object.keys(found).length, 1, JSON.stringify(found));
    assert.ok(alike.includes(Object.keys(found)[0]!), JSON.stringify(found));
  }
  if (shares === undefined || areShares(found, shares, times)) return counts;
  const again = await count();
  assert.ok(areShares(again, shares, times), `${JSON.stringify(found)} and ${JSON.stringify(again)}`);
  return undefined;
}

function areShares(
  found: Readonly<Record<string, number>>,
  shares: Readonly<Record<string, number>>,
  times: number,
): boolean {
  const all = new Set([...Object.keys(found), ...Object.keys(shares)]);
  return [...all].every((one) => {
    const share = (shares[one] ?? 0) / 100;
    const away = deviations * Math.sqrt(times * share * (1 - share));
    return Math.abs((found[one] ?? 0) - share * times) <= away;
  });
}

async function assertSeen(seen: Seen, see: Expected, fill: <T>(value: T) => T): Promise<void> {
  const { echo } = seen;
  const { status = 200, by, path, host, sent = {}, got = {}, body, attempts, copies, spoken } = see;
  const all = JSON.stringify({ ...seen, requests: seen.requests().length });
  assert.equal(seen.status, status, all);
  if (by !== undefined) assert.equal(echo?.who, by, all);
  if (path !== undefined) assert.equal(echo?.path, path, all);
  if (host !== undefined) assert.equal(echo?.host, fill(host), all);
  if (spoken !== undefined) assert.equal(echo?.spoken, fill(spoken), all);
  for (const [name, value] of Object.entries(sent))
    assertText(echo?.headers[name], value, fill, `${name} of ${all}`);
  for (const [name, value] of Object.entries(got))
    assertText(seen.got[name], value, fill, `${name} of ${all}`);
  if (body !== undefined) assertText(seen.body, body, fill, all);
  if (attempts !== undefined) assert.equal(seen.requests().length, attempts, all);
  // Copies follow when they may.
  if (copies !== undefined) await eventually(() => assert.deepEqual(placesOf(seen), copies, all));
  if (see.atLeastMs !== undefined) assert.ok(seen.tookMs >= see.atLeastMs, `${seen.tookMs} ms`);
}

const placesOf = (seen: Seen): string[] =>
  seen
    .requests()
    .map(({ who, path }) => `${who} ${path}`)
    .sort();

function assertText(
  found: string | string[] | undefined,
  wanted: string | RegExp | null,
  fill: <T>(value: T) => T,
  what: string,
): void {
  const text = found === undefined ? undefined : String(found);
  if (wanted === null) assert.equal(text, undefined, what);
  else if (wanted instanceof RegExp) assert.match(String(text), wanted, what);
  else assert.equal(text, fill(wanted), what);
}

/** What is another one each time: times, ids, certificates, and what a test says to backends. */
const varying =
  /^(date|x-request-id|x-envoy-upstream-service-time|x-forwarded-client-cert|x-key|x-answers|x-replies|x-envoy-expected-rq-timeout-ms|set-cookie|x-varying)$/;

/** Without what may be otherwise where both are right. */
function comparable(seen: Seen, see: Expected): unknown {
  const { status, got, echo, body } = seen;
  const without = (headers: object): object =>
    Object.fromEntries(Object.entries(headers).filter(([name]) => !varying.test(name)));
  const told =
    echo === undefined
      ? see.body instanceof RegExp
        ? undefined
        : body
      : { ...echo, headers: without(echo.headers), ...(see.by === undefined && { who: undefined }) };
  const requests = seen.requests();
  return {
    status,
    // Backends tell what came, which varies.
    got: without(echo === undefined ? got : { ...got, 'content-length': undefined }),
    told,
    ...(see.attempts !== undefined && { requests: requests.length }),
    ...(see.copies !== undefined && { hosts: requests.map(({ who, host }) => `${who} ${host}`).sort() }),
  };
}
