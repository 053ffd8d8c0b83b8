/** The client's end of one ADS stream, as a state machine that outlives the connections: no I/O, no clock. */
import type { Problem } from '#core/problem.ts';
import type { Steps } from '#core/time-slice.ts';
import type { DecodedResource, ResourceKind } from '../resource-type.ts';

export interface ReceivedResource<Kind extends ResourceKind = ResourceKind> {
  readonly name: string;
  readonly version: string;
  /** The bytes of the message, where it came as such. */
  readonly encoded?: Uint8Array | undefined;
  /** Other names it was asked for by (VHDS); absent: none. */
  readonly aliases?: readonly string[];
  /** Whether the server says that there is none of these names (VHDS). */
  readonly isAbsent?: boolean;
  /** Decoded anew each time where it came as bytes, so that not all messages of a response are there at once. */
  decoded(): Steps<DecodedResource<Kind>>;
}

/** One response. Answer each with `ack` or `nack`, in the order they came. */
export interface Update<Kind extends ResourceKind = ResourceKind> {
  readonly kind: Kind;
  readonly nonce: string;
  /** The server's name for the state this response leads to; for display. */
  readonly version: string;
  readonly changed: readonly ReceivedResource<Kind>[];
  readonly removed: readonly string[];
  /** Resources that are not what they should be. If there is any, the update must be refused with `nack`. */
  readonly problems: readonly Problem[];
  /** How long resources are good for; undefined: for ever. Also of those that are as they were. */
  readonly lifetimes: ReadonlyMap<string, number | undefined>;
  /** Resources the server says it cannot give, each with its reason. */
  readonly unavailable: readonly { readonly name: string; readonly detail: string }[];
}

/** An update of any one kind: `kind` tells the type of its messages. */
export type AnyUpdate = { readonly [Kind in ResourceKind]: Update<Kind> }[ResourceKind];

export interface ClientStream<Request, Response> {
  /** A new connection: what to send first. Resources already held are not asked for again where the protocol allows. */
  /** @param anew another server is asked than before: what is held is none of its versions. */
  connected(anew?: boolean): readonly Request[];
  disconnected(): void;
  /** Asks for more, by name or for all (`*`). Returns what to send; nothing while there is no connection. */
  subscribe(kind: ResourceKind, names: readonly string[]): readonly Request[];
  unsubscribe(kind: ResourceKind, names: readonly string[]): readonly Request[];
  /** Reads in steps what resources there are; undefined for a kind not subscribed to, which needs no answer. One response at a time. */
  receive(response: Response): Steps<AnyUpdate | undefined>;
  ack(update: AnyUpdate): Request;
  /**
   * @param problems why, in addition to the update's own.
   * @param applied names of the resources that are in force all the same.
   */
  nack(update: AnyUpdate, problems: readonly Problem[], applied?: readonly string[]): Request;
  /** What was only good until now. Needs no answer. */
  expire(kind: ResourceKind, names: readonly string[]): AnyUpdate;
  /** Says that a resource is in force that came by another way. */
  adopt(kind: ResourceKind, name: string, version: string): void;
  /**
   * What to send of the health of the application: at once, and first on each connection from now on. No answer comes.
   *
   * @param failure why it is not healthy; undefined: it is
   */
  report(failure: string | undefined): readonly Request[];
  /** Name -> version of what is in force. */
  held(kind: ResourceKind): ReadonlyMap<string, string>;
}
