/** A request as its head tells of it. */
import type { RawNames } from '#http/codec/h1/header-case.ts';
import { mark } from '#http/header-name.ts';
import type { RequestHead } from './downstream-stream.ts';
import { TimedRecord } from './timed-record.ts';

export abstract class TakenRequest extends TimedRecord {
  /** Whether all of it has come. */
  requestDone = false;
  /** Protocol the client asks for as it wrote it, '' for none. */
  upgrade = '';
  /** How HTTP/1 writes the names of fields, where the sender's form is kept. */
  requestNames: RawNames | undefined;
  protected marks = 0;
  /** Values of `connection`, joined; '' for none. */
  protected connectionHeader = '';
  /** Minor version of HTTP/1. */
  protected minor = 1;
  protected hasBody = false;

  protected take(head: RequestHead): void {
    this.method = head.method;
    this.path = head.target;
    this.authority = head.host;
    this.scheme = head.scheme;
    this.requestHeaders = head.headers;
    this.marks = head.marks;
    if (head.host === '' && (head.marks & mark.host) !== 0) this.hostIsEmpty = true;
    this.connectionHeader = head.connection;
    this.minor = head.minor;
    this.hasBody = head.hasBody;
    this.upgrade = head.upgrade;
    this.requestNames = head.rawNames;
    if (head.minor === 0) this.protocol = 'HTTP/1.0';
    if (this.hasBody) return;
    this.requestDone = true;
    this.requestEndMs = this.runtime.clock.nowMs();
    this.disarmRequest();
  }
}
