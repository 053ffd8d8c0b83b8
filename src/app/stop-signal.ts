/** SIGTERM and SIGINT as promises: the first asks for an orderly end, the second for an end at once. */
import type { Logger } from '#observe/log.ts';

export interface StopSignal {
  readonly asked: Promise<void>;
  readonly askedAgain: Promise<void>;
  /** As if the process had been sent a signal. */
  stop(): void;
}

export function stopSignal(log: Logger): StopSignal {
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  let asked = 0;
  const stop = (signal?: string): void => {
    asked += 1;
    log.info('proxy.stop-asked', { signal });
    if (asked === 1) first.resolve();
    else second.resolve();
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  return { asked: first.promise, askedAgain: second.promise, stop: () => stop() };
}
