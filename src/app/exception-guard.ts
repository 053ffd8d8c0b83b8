/**
 * An exception that nothing caught: what it broke off is lost, the other connections of the process are
 * not. Codecs catch what a request throws and close its connection; what comes here is counted and said.
 */
import type { Logger } from '#observe/log.ts';
import type { MetricRegistry } from '#observe/metrics-contract.ts';

/** Guards this thread; the result ends that. */
export function surviveExceptions(metrics: MetricRegistry, log: Logger): () => void {
  const server = metrics.scope({ path: 'server', family: 'server', labels: {} });
  const counter = server.counter('uncaught_exceptions');
  const survive = (error: unknown): void => {
    counter.inc();
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    log.error('proxy.uncaught-exception', { stack });
  };
  process.on('uncaughtException', survive);
  return () => process.off('uncaughtException', survive);
}
