/**
 * How Node is started for a proxy; `bin/heddle` and `src/host/self.ts` hold the same. Memory is given back
 * by a collection that is asked for (`src/app/heap-trim.ts`), and not by V8's reducer, which forgets shapes of
 * objects; what such a collection frees stays in V8's pool for a second, not eight; root certificates nobody uses
 * are not read; code that did not run between two collections is let go, and compiled again when it runs; patterns
 * are compiled to machine code when they were used a hundred times, and not at the second time (Node's own for
 * IPv6 addresses: 150 KB).
 *
 * The others keep short what requests wait for. The new space is small, and collected by the thread that serves,
 * as others may have no core of their own (`src/app/background-threads.ts`); few pages of it are copied when
 * everything is collected; and that is done only when the old space is two and a half times what was left of it.
 */
export const proxyFlags = [
  '--expose-gc',
  '--no-memory-reducer',
  '--memory-pool-timeout=1',
  '--use-openssl-ca',
  '--bytecode-old-age=1',
  '--flush-baseline-code',
  '--regexp-tier-up-ticks=100',
  '--single-threaded-gc',
  '--max-semi-space-size=4',
  '--page-promotion-threshold=30',
  '--initial-old-space-size=32',
  '--heap-growing-percent=150',
];
