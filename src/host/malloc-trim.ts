/** Gives memory back to the system that glibc keeps for the next who asks it. */
import { hasLibc, libcFunction } from './libc.ts';

type MallocTrim = (padBytes: bigint) => number;

/** Undefined before it was looked for; `none` where the system has it not, as with musl. */
let trim: MallocTrim | 'none' | undefined;

/** malloc_trim(3): the pages that hold nothing, also those in the midst of others. Takes a millisecond or a few. */
export function giveBackFreed(): void {
  trim ??= find();
  if (trim !== 'none') trim(0n);
}

function find(): MallocTrim | 'none' {
  if (!hasLibc()) return 'none';
  try {
    return libcFunction<MallocTrim>('malloc_trim', { arguments: ['u64'], return: 'i32' });
  } catch {
    return 'none';
  }
}
