/** Pages of Envoy about what is inside Envoy alone: they answer, and say so. */
import { type AdminPage, textReply } from './contract.ts';

const page = (
  path: string,
  method: AdminPage['method'],
  help: string,
  body: string,
  status = 501,
): AdminPage => ({
  ...{ path, method, help },
  answer: () => textReply(body, status),
});

const without = (what: string): string => `The current build does not support ${what}\n`;
const NO_LOOKUPS = 'Lookup tracking is not supported: figures are not looked up by their names\n';

export const unavailablePages: readonly AdminPage[] = [
  page(
    '/contention',
    'GET',
    'dump mutex contention stats (there are none)',
    'Mutex contention tracing is not enabled: there are no mutexes to contend for.\n',
    200,
  ),
  page('/allocprofiler', 'POST', 'not supported', without('the allocation profiler')),
  page('/cpuprofiler', 'POST', 'not supported', without('the CPU profiler')),
  page('/heapprofiler', 'POST', 'not supported', without('heap profiler')),
  page('/heap_dump', 'GET', 'not supported', without('heap dumps')),
  page('/peak_heap_dump', 'GET', 'not supported', without('peak heap dumps')),
  page('/memory/tcmalloc', 'GET', 'not supported', without('TCMalloc')),
  page('/stats/recentlookups', 'GET', 'not supported', NO_LOOKUPS),
  page('/stats/recentlookups/clear', 'POST', 'not supported', NO_LOOKUPS),
  page('/stats/recentlookups/disable', 'POST', 'not supported', NO_LOOKUPS),
  page('/stats/recentlookups/enable', 'POST', 'not supported', NO_LOOKUPS),
];
