/** An endpoint that a filter wants a request to go to (Envoy, `setUpstreamOverrideHost`). */
export interface WantedEndpoint {
  readonly address: string;
  /** Whether nothing else will do. */
  readonly isStrict: boolean;
  /** Of the answer where the cluster has no such endpoint and nothing else will do. */
  readonly missingStatus: number;
}
