/**
 * How soon a thread that wakes runs: the scheduler of Linux gives those first that ask for short slices of time
 * (EEVDF; `sched_runtime` of sched_setattr(2), since 6.12). No share of the processor grows by it, and nobody needs a
 * privilege for it. Older kernels pass it over.
 */
import { hasLibc, libcFunction } from './libc.ts';

/** Of asm/unistd.h: of sched_setattr and sched_getattr. */
const numbers: Readonly<Partial<Record<NodeJS.Architecture, readonly [set: bigint, get: bigint]>>> = {
  x64: [314n, 315n],
  arm64: [274n, 275n],
};

/** The first form of `struct sched_attr`, and where its `sched_runtime` is, of so many nanoseconds. */
const ATTRIBUTES_BYTES = 48;
const RUNTIME_AT = 24;
/** The shortest there is. */
const SLICE_NS = 100_000n;

type Syscall = (
  number: bigint,
  thread: bigint,
  attributes: Uint8Array,
  more: bigint,
  flags: bigint,
) => bigint;

/** For the thread that calls. Where it cannot be had all stays as it is. */
export function askForShortSlices(): void {
  const known = numbers[process.arch];
  if (known === undefined || !hasLibc()) return;
  const [set, get] = known;
  const syscall = libcFunction<Syscall>('syscall', {
    arguments: ['i64', 'i64', 'buffer', 'u64', 'u64'],
    return: 'i64',
  });
  const attributes = new Uint8Array(ATTRIBUTES_BYTES);
  if (syscall(get, 0n, attributes, BigInt(ATTRIBUTES_BYTES), 0n) !== 0n) return;
  new DataView(attributes.buffer).setBigUint64(RUNTIME_AT, SLICE_NS, true);
  syscall(set, 0n, attributes, 0n, 0n);
}
