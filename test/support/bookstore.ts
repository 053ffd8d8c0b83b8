/** The documents of `examples/bookstore`, for tests that leave some out or put others in their place. */
import { globSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';

const folder = 'examples/bookstore';

/** Its files but for those called `NAME.yaml`. */
export function bookstoreFiles(...without: readonly string[]): string[] {
  return globSync(`${folder}/*.yaml`)
    .filter((file) => !without.includes(basename(file, '.yaml')))
    .sort();
}

/** The documents of `traffic.yaml` that `keep` wants. */
export function bookstoreTraffic(keep: (document: string) => boolean = () => true): string {
  return readFileSync(`${folder}/traffic.yaml`, 'utf8').split('---\n').filter(keep).join('---\n');
}
