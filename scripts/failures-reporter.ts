/** A reporter of `node --test` that writes the failures alone: where each test stands, and what went wrong. */
import type { TestEvent } from 'node:test/reporters';
import { inspect } from 'node:util';

/** The files of what failed, each once. @param text that the reporter wrote */
export function failedFiles(text: string): readonly string[] {
  return [...new Set([...text.matchAll(/^✘ .*\n {2}(\/.*)$/gm)].map(([, file]) => file!))];
}

type Failure = Extract<TestEvent, { type: 'test:fail' }>['data'] & { readonly entryFile?: string };

/** Of one failure; the whole of it stands where the test ran. */
const mostCharacters = 3000;

export default async function* failures(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    if (event.type !== 'test:fail') continue;
    // Tests of many files are made by a function that stands in another.
    const { name, file = '', line = 0, entryFile = file, details } = event.data as Failure;
    // A suite fails because of its tests, which are told by themselves.
    const { failureType, cause } = details.error as Error & { failureType?: string };
    if (failureType === 'subtestsFailed') continue;
    const reason = inspect(cause ?? details.error);
    const cut = reason.length > mostCharacters ? `${reason.slice(0, mostCharacters)}\n…` : reason;
    yield `✘ ${name}\n  ${entryFile}\n  at ${file}:${line}\n${cut.replaceAll(/^/gm, '  ')}\n`;
  }
}
