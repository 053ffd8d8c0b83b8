/**
 * What runs a plane, seen from the command line: `app` passes these functions in, so that room `cli`
 * imports no plane and a command loads only the plane it runs.
 */

/**
 * Runs until it is told to stop (SIGTERM, SIGINT) or ends by itself; resolves to the exit code.
 * Rejects with a `CliError` for what a person can mend.
 */
export type RunPlane<Options> = (options: Options) => Promise<number>;

/** One entry for each command that runs a plane; the options are what its command file exports. */
export interface Planes {
  /** Looks into values that are messages of Envoy. */
  resourceCheck(): Promise<import('#model/document.ts').ResourceCheck>;
  readonly up: RunPlane<import('./command/up.ts').UpOptions>;
  readonly control: RunPlane<import('./command/control.ts').ControlOptions>;
  readonly sidecar: RunPlane<import('./command/sidecar.ts').SidecarOptions>;
  readonly gateway: RunPlane<import('./command/gateway.ts').GatewayOptions>;
  readonly agent: RunPlane<import('./command/agent.ts').AgentOptions>;
  readonly capture: RunPlane<import('./command/capture.ts').CaptureOptions>;
  readonly doorway: RunPlane<import('./command/doorway.ts').DoorwayOptions>;
  readonly run: RunPlane<import('./command/run.ts').RunOptions>;
  readonly socketGiver: RunPlane<import('./command/socket-giver.ts').SocketGiverOptions>;
  readonly proxy: RunPlane<import('./command/proxy.ts').ProxyOptions>;
  readonly bootstrap: RunPlane<import('./command/bootstrap.ts').BootstrapOptions>;
}
