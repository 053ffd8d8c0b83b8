/** `--interception-mode MODE`, of who stands beside an application. */
import { Option } from 'commander';

export interface InterceptionOptions {
  /** How the traffic of the workload comes to its proxy. */
  readonly interceptionMode: 'NONE' | 'REDIRECT' | 'TPROXY';
}

export function interceptionModeOption(): Option {
  const description = 'how traffic comes to it: by the will of the application, or captured by the kernel';
  return new Option('--interception-mode <mode>', description)
    .choices(['NONE', 'REDIRECT', 'TPROXY'])
    .default('NONE');
}
