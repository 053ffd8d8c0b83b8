/** What instances share: the watchdog, the folder of Pods, the way to a join token, and whom to tell. */
import type { Watchdog } from '#host/watchdog.ts';
import type { CapturedNetwork } from './captured-network.ts';
import type { ClaimFolders } from './claim-folders.ts';
import type { MeshPlaces } from './mesh-places.ts';
import type { PodFolder } from './pods.ts';
import type { StateFolder } from './state-folder.ts';

export interface MeshServices {
  readonly places: MeshPlaces;
  /** Where traffic is captured; absent: it comes to sidecars by the will of applications. */
  readonly network: CapturedNetwork | undefined;
  /** What is kept in the state folder is written by it. */
  readonly stateFolder: StateFolder;
  readonly pods: PodFolder;
  readonly claims: ClaimFolders;
  readonly watchdog: Watchdog;
  readonly trustDomain: string;
  /** The runner's environment. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly lowestPort: number;
  /** Of this machine. */
  readonly nodeName: string;
  /** A token for this one process: asked of the control plane when it starts, good for five minutes and once. */
  joinToken(subject: {
    readonly namespace: string;
    readonly serviceAccount: string;
    readonly pod: string;
  }): Promise<string>;
  /**
   * Resolves when every proxy has taken in the Pods as they are, or too late.
   * @returns those that are late; rejects where there is no control plane to be asked
   */
  distributed(timeoutMs: number): Promise<readonly string[]>;
  /** The state of an instance or gateway has changed. */
  onChange(what: unknown): void;
  /** Something a person should see, such as an application that has ended. */
  tell(level: 'warning' | 'info', subject: string, message: string, more?: readonly string[]): void;
}
