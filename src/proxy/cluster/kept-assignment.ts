/** A load assignment as it is kept: as it was read, or as the text of its bytes, which is read again when somebody asks. */
import { atOnce } from '#core/time-slice.ts';
import { ClusterLoadAssignmentSchema } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { decodeSteps } from '#xds/gradual-decoder.ts';
import { Findings } from '../findings.ts';
import { bytesOfText, type HeldText } from '../held-text.ts';
import { type Assignment, noEndpoints, readAssignment } from './assignment.ts';

export class KeptAssignment {
  readonly #kept: Assignment | HeldText;

  /** @param text of its bytes, where there are some: whoever shows the configuration has the same */
  constructor(assigned: Assignment, text?: HeldText) {
    this.#kept = text ?? assigned;
  }

  read(): Assignment {
    const kept = this.#kept;
    if (typeof kept !== 'string') return kept;
    const message = atOnce(decodeSteps(ClusterLoadAssignmentSchema, bytesOfText(kept)));
    // What was wrong with it was found when it came.
    return atOnce(readAssignment(message, '', new Findings()));
  }
}

export const keptNone: KeptAssignment = new KeptAssignment(noEndpoints);
