/**
 * How Node is started for a proxy; `bin/heddle` and `src/host/self.ts` hold the same. Memory is given back
 * by a collection that is asked for; root certificates nobody uses are not read; code that did not run
 * between two collections is let go, and compiled again when it runs; patterns are compiled to machine code
 * when they were used a hundred times, and not at the second time (Node's own for IPv6 addresses: 150 KB).
 */
export const proxyFlags = [
  '--expose-gc',
  '--use-openssl-ca',
  '--bytecode-old-age=1',
  '--flush-baseline-code',
  '--regexp-tier-up-ticks=100',
];
