/** The data path of one thread: what is the same for each that serves, whichever it is. */
import { systemClock } from '#core/clock.ts';
import { systemRandom } from '#core/random.ts';
import type { LogFiles } from '#observe/log-files.ts';
import type { LocalDataPath } from '#proxy/contract.ts';
import { createDataPath, type DataPathDeps } from '#proxy/data-path.ts';
import { filters } from '#proxy/filter/catalogue.ts';
import type { OverloadSettings } from '#proxy/overload/settings.ts';
import type { RuntimeSnapshot } from '#proxy/runtime/snapshot.ts';
import { secondDescriptors } from './connection-limits.ts';
import { lookUpHost } from './host-lookup.ts';
import { bodyMemoryBytes } from './memory-watch.ts';
import { applicationSockets, dataReader, localAddress, systemCalls } from './operating-system.ts';

/** What the same is made of, and what is the thread's own. */
type ThreadParts = Omit<
  DataPathDeps,
  | 'clock'
  | 'random'
  | 'filters'
  | 'openLog'
  | 'lookUp'
  | 'localAddress'
  | 'secondDescriptors'
  | 'bodyMemoryBytes'
  | keyof typeof dataReader
  | keyof typeof systemCalls
> & {
  readonly runtime: RuntimeSnapshot;
  readonly logFiles: LogFiles;
  /** Of the process; undefined: the default. */
  readonly overloadSettings: OverloadSettings | undefined;
};

export function createThreadDataPath({ logFiles, overloadSettings, ...own }: ThreadParts): LocalDataPath {
  const threads = own.thread?.count ?? 1;
  const dataPath = createDataPath({
    ...own,
    clock: systemClock,
    random: systemRandom(),
    filters,
    openLog: (path) => logFiles.open(path),
    lookUp: lookUpHost,
    localAddress: localAddress(),
    secondDescriptors: secondDescriptors(threads),
    bodyMemoryBytes: bodyMemoryBytes(overloadSettings, threads),
    ...dataReader,
    ...systemCalls,
    ...applicationSockets(),
  });
  own.runtime.onChange(() => dataPath.onRuntime());
  return dataPath;
}
