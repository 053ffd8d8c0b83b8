/** `ask-undici.mjs 1.1|2 ROOT MODULES`: reads requests as JSON from standard input, prints answers. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { json } from 'node:stream/consumers';

const [version, root, modules] = process.argv.slice(2);
const { Agent, request } = createRequire(`${modules}/`)('undici');
const dispatcher = new Agent({ allowH2: version === '2', connect: { ca: readFileSync(root) } });
const answers = [];
for (const { method, url, body } of await json(process.stdin)) {
  const sent = body === undefined ? {} : { body: readFileSync(body) };
  const answer = await request(url, { method, dispatcher, ...sent });
  const bytes = Buffer.from(await answer.body.arrayBuffer());
  answers.push({ status: answer.statusCode, sha256: createHash('sha256').update(bytes).digest('hex') });
}
await dispatcher.close();
console.log(JSON.stringify(answers));
