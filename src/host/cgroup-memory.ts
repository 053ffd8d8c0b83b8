/** Memory of the control group that this process is in (cgroups(7), both versions). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface CgroupMemory {
  readonly usedBytes: number;
  /** Absent: the group has no limit of its own. */
  readonly maxBytes?: number;
}

const ROOT = '/sys/fs/cgroup';
/** What version 1 says for "no limit" is about as much. */
const NO_LIMIT_BYTES = 2 ** 60;

/** Undefined where there is none. */
export function cgroupMemory(): CgroupMemory | undefined {
  const groups = read('/proc/self/cgroup') ?? '';
  const [, unified = '/'] = /^0::(.*)$/m.exec(groups) ?? [];
  const [, older = '/'] = /^[0-9]+:[^:]*\bmemory\b[^:]*:(.*)$/m.exec(groups) ?? [];
  // In a container its own group is the root, whatever the name says.
  const places = [
    [join(ROOT, unified), 'memory.current', 'memory.max'],
    [ROOT, 'memory.current', 'memory.max'],
    [join(ROOT, 'memory', older), 'memory.usage_in_bytes', 'memory.limit_in_bytes'],
    [join(ROOT, 'memory'), 'memory.usage_in_bytes', 'memory.limit_in_bytes'],
  ] as const;
  for (const [folder, used, max] of places) {
    const usedBytes = Number(read(join(folder, used)) ?? Number.NaN);
    if (Number.isNaN(usedBytes)) continue;
    const maxBytes = Number(read(join(folder, max)));
    return maxBytes > 0 && maxBytes < NO_LIMIT_BYTES ? { usedBytes, maxBytes } : { usedBytes };
  }
  return undefined;
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}
