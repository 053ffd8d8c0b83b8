/** The record of a connection that is answered here, for the access log of its listener. */
import { TrafficRecord } from '../hcm/record.ts';

export class PlainRecord extends TrafficRecord {
  override accessLogType = 'NotSet';
}
