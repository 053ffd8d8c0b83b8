/** What finds one sort of mistakes in a set of documents. */
import type { Code } from './codes.ts';
import type { Message } from './message.ts';
import type { World } from './world.ts';

export interface Analyzer {
  /** As Istio calls it, such as `virtualservice.GatewayAnalyzer`. */
  readonly name: string;
  readonly description: string;
  /** All codes it may give. */
  readonly codes: readonly Code[];
  analyze(world: World): readonly Message[];
}
