/**
 * Counts what comes of requests and connections to one endpoint, in cells that all threads share, and tells when
 * something was seen often enough in a row (Envoy, `DetectorHostMonitorImpl`).
 */
import type { HostRow } from '../host-cells.ts';
import type { OutlierSettings } from './settings.ts';

/** Bits of the column `hits`. */
export const hit = {
  consecutive_5xx: 1,
  consecutive_gateway_failure: 2,
  consecutive_local_origin_failure: 4,
  /** An answer says that the endpoint is not well. */
  immediate_failure: 8,
} as const;

const OK = 200;
const UNAVAILABLE = 503;

export class HostMonitor {
  /** Whether active checks are made, so that answers may say what these would find. */
  readonly isChecked: boolean;
  readonly #settings: OutlierSettings | undefined;
  readonly #row: HostRow;
  readonly #onHit: () => void;

  /**
   * @param settings undefined where nobody is ejected
   * @param onHit a bit of `hits` has been set.
   */
  constructor(settings: OutlierSettings | undefined, isChecked: boolean, row: HostRow, onHit: () => void) {
    this.isChecked = isChecked;
    this.#settings = settings;
    this.#row = row;
    this.#onHit = onHit;
  }

  /** @param status of a response; of a gRPC call the one that stands for its own. */
  responded(status: number): void {
    if (this.#settings === undefined) return;
    const row = this.#row;
    row.add('external');
    if (status < 500 || status >= 600) {
      row.add('externalGood');
      row.set('consecutive5xx', 0);
      row.set('consecutiveGatewayFailure', 0);
      return;
    }
    const { consecutive5xx, consecutiveGatewayFailure } = this.#settings;
    if (status < 502 || status > 504) row.set('consecutiveGatewayFailure', 0);
    else if (row.add('consecutiveGatewayFailure') === consecutiveGatewayFailure) {
      this.#tell(hit.consecutive_gateway_failure);
    }
    if (row.add('consecutive5xx') === consecutive5xx) this.#tell(hit.consecutive_5xx);
  }

  /** @param isAll whether nothing else will be known of it, as no request follows. */
  connected(isAll: boolean): void {
    if (this.#settings === undefined) return;
    const row = this.#row;
    if (!this.#settings.splitsLocalOrigin) {
      if (isAll) this.responded(OK);
      return;
    }
    row.add('local');
    row.add('localGood');
    row.set('consecutiveLocalOriginFailure', 0);
  }

  /** The connection could not be made, was lost, or did not answer in time. @param status the reply made of that. */
  failed(status: number = UNAVAILABLE): void {
    if (this.#settings === undefined) return;
    const { splitsLocalOrigin, consecutiveLocalOriginFailure } = this.#settings;
    if (!splitsLocalOrigin) {
      this.responded(status);
      return;
    }
    const row = this.#row;
    row.add('local');
    if (row.add('consecutiveLocalOriginFailure') === consecutiveLocalOriginFailure) {
      this.#tell(hit.consecutive_local_origin_failure);
    }
  }

  /** An answer says that the endpoint is not well (`x-envoy-immediate-health-check-fail`). */
  failedAtOnce(): void {
    this.#tell(hit.immediate_failure);
  }

  #tell(bit: number): void {
    this.#row.mark('hits', bit);
    this.#onHit();
  }
}
