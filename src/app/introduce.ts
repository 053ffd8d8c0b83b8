/** How our proxies introduce themselves to management servers. */

import { HEDDLE_VERSION } from '#core/version.ts';
import type { Node } from '#xds/gen/envoy/config/core/v3/base_pb.js';

/** Fills in who the client is: Heddle's own filters are sent to `heddle` only. */
export function introduce(node: Node): void {
  node.userAgentName = 'heddle';
  node.userAgentVersionType = { case: 'userAgentVersion', value: HEDDLE_VERSION };
}
